// SPDX-License-Identifier: Apache-2.0
/* The main job as a researcher lives it: log in, submit, watch the log, fetch the result, see the
 * charge; cancel; and what the other university's alice sees of it. */
import { readFileSync } from 'node:fs';
import assert from 'node:assert/strict';
import { logIn, person, run, site, test } from './browser.mjs';

const script = `for i in 1 2 3 4; do printf 'epoch %d \\033[32mloss\\033[0m 0.%d\\n' $i $((9 - i)); sleep 0.4; done
printf '10%%\\r60%%\\r100%%\\n'
echo '<script>document.title = "taken over"</script>'
echo '{"loss": 0.5}' > result.json`;

async function submit(page, fields) {
    await page.goto(site.url + '/jobs/new');
    for (const [name, value] of Object.entries(fields))
        await page.locator(`[name=${name}]`).fill(value);
    await page.locator('#job-form [type=submit]').click();
    await page.waitForURL(/\/jobs\/\d+$/);
    return Number(page.url().split('/').pop());
}

const stateIs = (page, words) =>
    page.waitForFunction(w => document.getElementById('state').textContent === w, words, { timeout: 60000 });

test('login, submit, follow, fetch, charge', async ({ page, shot, complaints }) => {
    await page.goto(site.url + '/');
    assert.match(page.url(), /\/login\?next=/);
    await shot('1-login');
    await page.locator('[name=directory]').selectOption('north');
    await page.locator('[name=login]').fill('alice');
    await page.locator('[name=password]').fill('wrong');
    await page.keyboard.press('Enter');
    await page.locator('#message').waitFor();
    assert.equal(await page.locator('#message').textContent(), 'Login or password is not right.');
    assert.equal(await page.locator('[name=login]').inputValue(), 'alice');
    complaints.length = 0; // the browser writes down the 403
    await logIn(page, person('alice', 'north'));
    await shot('2-home');

    await page.goto(site.url + '/jobs/new');
    await page.locator('[name=gpus_per_node]').fill('4');
    await page.locator('[name=time_limit]').fill('2h');
    assert.match(await page.locator('#hold').textContent(), /^Holds 8\.0 GPU-h.* of \d+\.\d free\./);
    await page.locator('[name=time_limit]').fill('7d');
    assert.match(await page.locator('#hold').textContent(), /^Would hold 672\.0 GPU-h.* would fit\.$/);
    await page.locator('[name=time_limit]').fill('2h');
    await shot('3-new-job');

    await submit(page, { name: 'train <b>seed 3</b>', gpus_per_node: '4', time_limit: '2h', script });
    await page.waitForFunction(() => document.getElementById('log').textContent.includes('epoch 2'));
    await shot('4-running');
    await stateIs(page, 'completed');
    await page.locator('a[href$="/files/result.json"]').waitFor();
    const log = await page.locator('#log').textContent();
    assert.match(log, /epoch 1 loss 0\.8\nepoch 2 loss 0\.7\nepoch 3 loss 0\.6\nepoch 4 loss 0\.5\n100%\n<script>/);
    assert.match(await page.locator('h1').textContent(), /train <b>seed 3<\/b>/);
    assert.match(await page.title(), /^Job \d+/);
    assert.match(await page.locator('#charged').textContent(), /^0\.0\d\d$/);
    assert.equal(await page.locator('#held').textContent(), '0.0');
    await shot('5-completed');

    const [download] = await Promise.all([
        page.waitForEvent('download'), page.locator('a[href$="/files/result.json"]').click()]);
    assert.equal(readFileSync(await download.path(), 'utf8'), '{"loss": 0.5}\n');
    await page.goto(site.url + '/');
    assert.equal(await page.locator('.jobs tbody tr').first().locator('.state').textContent(), 'completed');
    await shot('6-home-after');
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.waitForURL(/\/login/);
    await page.goto(site.url + '/jobs');
    assert.match(page.url(), /\/login\?next=/);
});

/* As when another tab comes to the front, which a browser without a screen never does. */
const setHidden = (page, isHidden) => page.evaluate(h => {
    Object.defineProperty(document, 'hidden', { value: h, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
}, isHidden);

test('a page that nobody sees gives its connection back and goes on later', async ({ page }) => {
    const isStream = request => request.url().includes('/events');
    const log = () => page.locator('#log').textContent();
    await logIn(page, person('alice', 'north'));
    const job = await submit(page, { name: 'hidden', gpus_per_node: '1', time_limit: '10m',
        script: 'echo one; sleep 3; echo two; sleep 600' });
    await page.waitForFunction(() => document.getElementById('log').textContent === 'one\n');
    await Promise.all([page.waitForEvent('requestfailed', isStream), setHidden(page, true)]);
    const whole = () => page.evaluate(async () => (await fetch(document.getElementById('log-raw').href)).text());
    while (await whole() !== 'one\ntwo\n')
        ;
    assert.equal(await log(), 'one\n');
    const [again] = await Promise.all([page.waitForRequest(isStream), setHidden(page, false)]);
    assert.ok(again.url().endsWith(`/jobs/${job}/events?from=1-4`), again.url());
    await page.waitForFunction(() => document.getElementById('log').textContent === 'one\ntwo\n');
    await page.getByRole('button', { name: 'Cancel job' }).click();
    await stateIs(page, 'cancelled');
});

test('cancel', async ({ page, shot }) => {
    await logIn(page, person('alice', 'north'));
    await submit(page, { name: 'too long', gpus_per_node: '1', time_limit: '10m', script: 'echo begun; sleep 600' });
    await page.waitForFunction(() => document.getElementById('log').textContent.includes('begun'));
    await stateIs(page, 'running');
    await page.getByRole('button', { name: 'Cancel job' }).click();
    await stateIs(page, 'cancelled');
    await shot('cancelled');
});

test('the other alice', async ({ page, shot, complaints, context }) => {
    await logIn(page, person('alice', 'north'));
    const job = await submit(page, { name: 'mine', gpus_per_node: '1', time_limit: '1m', script: 'echo secret' });
    await context.clearCookies();
    await logIn(page, person('alice', 'south'));
    const reply = await page.goto(`${site.url}/jobs/${job}`);
    assert.equal(reply.status(), 404);
    await shot('404');
    assert.equal(await page.getByText('mine').count(), 0);
    complaints.length = 0; // the browser writes down the 404
});

await run();

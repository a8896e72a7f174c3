// SPDX-License-Identifier: Apache-2.0
/* The form of a new job when it is filled in wrong: what was typed stays, the field is marked, the
 * number and the remedy are said, and the keyboard is enough. */
import assert from 'node:assert/strict';
import { logIn, person, run, site, test } from './browser.mjs';

const good = { name: 'mended', gpus_per_node: '1', time_limit: '1m', script: 'true' };

async function send(page, fields) {
    for (const [name, value] of Object.entries(fields))
        await page.locator(`[name=${name}]`).fill(value);
    await page.locator('#job-form [type=submit]').click();
    await page.waitForLoadState();
}

test('each wrong value is named and mended', async ({ page, shot, complaints }) => {
    const cases = [
        ['gpus_per_node', '0', 'GPUs: 0 is less than 1'],
        ['gpus_per_node', '-1', 'GPUs: -1 is less than 1'],
        ['gpus_per_node', '9999', 'GPUs: 9999 is more than 8'],
        ['gpus_per_node', '1e9', 'GPUs: "1e9" is not a whole number'],
        ['time_limit', '25:61', 'Time limit: "25:61" is not a duration; write it like 90s, 30m, 2h, 1d12h or 01:30:00'],
        ['name', '', 'Name: must be given'],
        ['name', '🐝'.repeat(81), 'Name: has 81 characters, allowed are 1 to 80'],
    ];
    await logIn(page, person('alice', 'north'));
    await page.goto(site.url + '/jobs/new');
    for (const [field, value, answer] of cases) {
        await send(page, { ...good, [field]: value });
        await page.locator('.problem').waitFor();
        assert.equal(await page.locator('.problem').textContent(), answer);
        const input = page.locator(`[name=${field}]`);
        assert.equal(await input.inputValue(), value);
        assert.equal(await input.getAttribute('aria-invalid'), 'true');
        assert.ok(await input.evaluate(e => e === document.activeElement), 'the wrong field has the focus');
        assert.equal(await page.locator('[name=script]').inputValue(), 'true');
    }
    await send(page, { ...good, gpus_per_node: '9999', time_limit: '25:61' });
    assert.equal(await page.locator('.problem').count(), 2);
    await shot('two-wrong');
    await send(page, { ...good, gpus_per_node: '8', time_limit: '7d' });
    await page.locator('#refusal').waitFor();
    assert.match(await page.locator('#refusal').textContent(),
        /would hold 1344\.0 GPU-hours \(8 GPUs for 7 d\), but project climate has \d+\.\d free for you\.\s+8 GPUs for at most \d+ h/);
    await shot('too-dear');
    await send(page, good);
    await page.waitForURL(/\/jobs\/\d+$/);
    complaints.length = 0; // the browser writes down each 422
});

test('the allocations to choose follow the project', async ({ page, shot, complaints }) => {
    const choice = page.locator('#allocation'), second = String(site.second);
    await logIn(page, person('alice', 'north'));
    await page.goto(site.url + '/jobs/new');
    assert.ok(await choice.isHidden(), 'climate has one allocation');
    await page.locator('[name=project]').selectOption('genome');
    await shot('genome');
    assert.equal(await choice.inputValue(), '');
    const offered = await choice.locator('option').allTextContents();
    assert.equal(offered[0], 'the one that ends first and has enough');
    assert.match(offered[1], /^\d+ — \d+\.\d GPU-h free until 31 December \d+$/);
    assert.equal(offered[2], `${second} — 2.0 GPU-h free until 31 March 2099`);
    await page.locator('[name=time_limit]').fill('3h');
    assert.match(await page.locator('#hold').textContent(), /^Holds 3\.0 GPU-h of 60\.0 free/);
    await choice.selectOption(second);
    assert.equal(await page.locator('#hold').textContent(),
        `Would hold 3.0 GPU-h, but allocation ${second} has 2.0 free for you: 2 h 0 min would fit.`);
    await page.locator('[name=project]').selectOption('climate');
    assert.ok(await choice.isHidden());
    assert.equal(await choice.inputValue(), '', 'what was chosen for genome is not sent for climate');
    await page.locator('[name=project]').selectOption('genome');
    await choice.selectOption(second);
    await send(page, { ...good, time_limit: '3h' });
    await page.locator('#refusal').waitFor();
    assert.match(await page.locator('#refusal').textContent(),
        new RegExp(`but allocation ${second} of project genome has 2\\.0 free for you\\.\\s+1 GPU for at most 2 h would fit`));
    assert.equal(await choice.inputValue(), second);
    await shot('refused');
    complaints.length = 0; // the browser writes down the 422
    await send(page, good);
    await page.waitForURL(/\/jobs\/\d+$/);
    await page.getByRole('link', { name: 'Submit again' }).click();
    await page.locator('#job-form').waitFor();
    assert.equal(await choice.inputValue(), second);
});

test('an allocation on a phone', { viewport: { width: 400, height: 800 } }, async ({ page, shot }) => {
    await logIn(page, person('alice', 'north'));
    await page.goto(site.url + '/jobs/new?project=genome');
    await page.locator('#allocation').selectOption(String(site.second));
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wide <= 0, `${wide} pixels wider than the screen`);
    await shot('genome');
});

test('tabs that open at once all log in', async ({ page, context }) => {
    const tabs = [page, await context.newPage(), await context.newPage()];
    await Promise.all(tabs.map(tab => tab.goto(site.url + '/')));
    for (const tab of tabs) {
        assert.match(tab.url(), /\/login/);
        await tab.locator('[name=directory]').selectOption('north');
        await tab.locator('[name=login]').fill('alice');
        await tab.locator('[name=password]').fill(person('alice', 'north').password);
        await tab.keyboard.press('Enter');
        await tab.waitForURL(url => url.pathname === '/');
    }
});

test('names are text and nothing else', async ({ page }) => {
    await logIn(page, person('alice', 'north'));
    for (const name of ['<script>document.title = "x"</script>', "'; DROP TABLE job; --", '🐝 bees', '{{token}}']) {
        await page.goto(site.url + '/jobs/new');
        await send(page, { ...good, name });
        await page.waitForURL(/\/jobs\/\d+$/);
        assert.equal(await page.locator('h1').textContent(), name);
        assert.match(await page.title(), /^Job \d+ · /);
    }
});

test('submitting again starts from the earlier job', async ({ page }) => {
    await logIn(page, person('alice', 'north'));
    await page.goto(site.url + '/jobs/new');
    await send(page, { ...good, name: 'first', gpus_per_node: '2', script: 'echo one\necho two' });
    await page.waitForURL(/\/jobs\/\d+$/);
    await page.getByRole('link', { name: 'Submit again' }).click();
    await page.locator('#job-form').waitFor();
    assert.equal(await page.locator('[name=name]').inputValue(), 'first');
    assert.equal(await page.locator('[name=gpus_per_node]').inputValue(), '2');
    assert.equal(await page.locator('[name=script]').inputValue(), 'echo one\necho two');
});

test('what was typed when the session had ended is back after the login', async ({ page, context, shot }) => {
    const script = 'echo one\necho two';
    await logIn(page, person('alice', 'north'));
    await page.goto(site.url + '/jobs/new');
    assert.ok(await page.locator('#restored').isHidden());
    await context.clearCookies();
    await send(page, { ...good, name: 'long typed', gpus_per_node: '3', script });
    await page.waitForURL(/\/login/);
    await page.locator('[name=directory]').selectOption('north');
    await page.locator('[name=login]').fill('alice ');
    await page.locator('[name=password]').fill(person('alice', 'north').password);
    await page.keyboard.press('Enter');
    await page.waitForURL(/\/jobs\/new$/);
    assert.equal(await page.locator('#restored').textContent(), 'What you had typed is back.');
    assert.equal(await page.locator('[name=script]').inputValue(), script);
    assert.equal(await page.locator('[name=gpus_per_node]').inputValue(), '3');
    await shot('restored');
    await page.locator('#job-form [type=submit]').click();
    await page.waitForURL(/\/jobs\/\d+$/);
    assert.equal(await page.locator('h1').textContent(), 'long typed');
    await page.goto(site.url + '/jobs/new');
    assert.ok(await page.locator('#restored').isHidden());
    assert.equal(await page.locator('[name=script]').inputValue(), '');
});

test('what one person typed is not shown to another', async ({ page, context }) => {
    await logIn(page, person('alice', 'north'));
    await page.goto(site.url + '/jobs/new');
    await context.clearCookies();
    await send(page, { ...good, name: 'of alice' });
    await page.waitForURL(/\/login/);
    await logIn(page, person('alice', 'south'));
    await page.goto(site.url + '/jobs/new');
    assert.ok(await page.locator('#restored').isHidden());
    assert.equal(await page.locator('[name=name]').inputValue(), '');
    assert.equal(await page.evaluate(() => sessionStorage.length), 0);
});

test('a phone in the dark', { viewport: { width: 390, height: 800 }, colorScheme: 'dark' }, async ({ page, shot }) => {
    await logIn(page, person('alice', 'north'));
    for (const path of ['/', '/jobs', '/jobs/new']) {
        await page.goto(site.url + path);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(wide <= 0, `${path} is ${wide} pixels wider than the screen`);
        await shot(path.replaceAll('/', '') || 'home');
    }
});

await run();

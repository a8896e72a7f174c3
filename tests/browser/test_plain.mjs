// SPDX-License-Identifier: Apache-2.0
/* Without JavaScript: everything works, only nothing moves by itself. */
import assert from 'node:assert/strict';
import { logIn, person, run, site, test } from './browser.mjs';

const plain = { javaScriptEnabled: false };

/* Reloads until the state is there, as a person would. */
async function reloadUntil(page, words) {
    for (let i = 0; i < 200; i++) {
        if (await page.locator('#state').textContent() === words)
            return;
        await page.reload();
    }
    throw new Error(`the job is not ${words}`);
}

test('the main job without scripts', plain, async ({ page, shot, complaints }) => {
    await logIn(page, person('alice', 'north'));
    await page.getByRole('link', { name: 'New job' }).first().click();
    await page.locator('[name=name]').fill('plain');
    await page.locator('[name=gpus_per_node]').fill('0');
    await page.locator('[name=time_limit]').fill('10m');
    await page.locator('[name=script]').fill('echo one; sleep 1; printf "10%%\\r100%%\\n"; echo 42 > result.txt');
    await page.locator('#job-form [type=submit]').click();
    assert.equal(await page.locator('.problem').textContent(), 'GPUs: 0 is less than 1');
    complaints.length = 0; // the browser writes down the 422
    await page.locator('[name=gpus_per_node]').fill('1');
    await page.locator('#job-form [type=submit]').click();
    await page.waitForURL(/\/jobs\/\d+$/);
    await shot('submitted');
    await reloadUntil(page, 'completed');
    assert.equal(await page.locator('#log').textContent(), 'one\n100%\n');
    assert.equal(await page.locator('a[href$="/files/result.txt"]').count(), 1);
    await shot('completed');
});

test('an allocation is chosen without scripts', plain, async ({ page, shot, complaints }) => {
    await logIn(page, person('alice', 'north'));
    await page.goto(site.url + '/jobs/new');
    const choice = page.locator('#allocation'), second = String(site.second);
    assert.deepEqual(await choice.locator('optgroup').evaluateAll(groups => groups.map(g => g.label)), ['genome']);
    await page.locator('[name=name]').fill('paid by the second');
    await page.locator('[name=script]').fill('true');
    await choice.selectOption(second);
    await shot('climate');
    await page.locator('#job-form [type=submit]').click();
    assert.match(await page.locator('#refusal').textContent(), /Project climate has no allocation \d+\./);
    assert.equal(await page.locator('#allocation-problem').textContent(), 'Not one of project climate');
    await shot('refused');
    complaints.length = 0; // the browser writes down the 422
    await page.locator('[name=project]').selectOption('genome');
    await page.locator('#job-form [type=submit]').click();
    await page.waitForURL(/\/jobs\/\d+$/);
});

test('somebody without a project is told what to do', plain, async ({ page, shot }) => {
    await logIn(page, person('erin', 'south'));
    assert.match(await page.locator('main').textContent(), /You are not in a project yet/);
    await page.locator('[name=project]').fill('optics');
    await page.locator('[name=note]').fill('I measure films with Alice');
    await page.getByRole('button', { name: 'Ask to join' }).click();
    assert.match(await page.locator('main').textContent(), /Your request was sent/);
    assert.match(await page.locator('main').textContent(), /not answered yet\s+to join the project optics/);
    await shot('asked');
});

await run();

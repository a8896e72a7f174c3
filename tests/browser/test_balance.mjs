// SPDX-License-Identifier: Apache-2.0
/* Balance, statements, projects and requests as people meet them: a newcomer asks, a PI answers, sets a
 * limit and changes his mind, downloads the month; by keyboard, without scripts, and on a phone. */
import { readFileSync } from 'node:fs';
import assert from 'node:assert/strict';
import { logIn, person, run, site, test } from './browser.mjs';

const text = page => page.locator('main').innerText();

/* Every field has a name that is read aloud, every table a caption, headings leave no level out. */
async function assertReadable(page, path) {
    const found = await page.evaluate(() => {
        const bad = [];
        for (const input of document.querySelectorAll('main :is(input, select, textarea):not([type=hidden])'))
            if (!input.labels?.length)
                bad.push(`no label: ${input.outerHTML}`);
        for (const table of document.querySelectorAll('main table'))
            if (!table.caption?.textContent.trim())
                bad.push('a table without a caption');
        const levels = [...document.querySelectorAll('main :is(h1, h2, h3, h4)')].map(h => +h.tagName[1]);
        if (levels.filter(n => n === 1).length !== 1)
            bad.push(`${levels.filter(n => n === 1).length} headings of the first level`);
        levels.forEach((n, i) => i && n > levels[i - 1] + 1 && bad.push(`a heading ${n} after ${levels[i - 1]}`));
        const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
        for (const id of new Set(ids.filter((x, i) => ids.indexOf(x) !== i)))
            bad.push(`two elements have the id ${id}`);
        for (const e of document.querySelectorAll('[aria-describedby]'))
            for (const id of e.getAttribute('aria-describedby').split(' '))
                if (!document.getElementById(id))
                    bad.push(`aria-describedby ${id} leads nowhere`);
        return bad;
    });
    assert.deepEqual(found, [], path);
}

test('from asking to a limit', async ({ page, context, shot, complaints }) => {
    await logIn(page, person('erin', 'south'));
    await page.getByRole('link', { name: 'Requests' }).first().click();
    await page.locator('#join-project').fill('Optics');
    await page.locator('#join-note').fill('I measure films with Alice');
    await page.keyboard.press('Enter');
    await page.locator('#join-project-problem').waitFor();
    assert.equal(await page.locator('#join-note').inputValue(), 'I measure films with Alice');
    await assertReadable(page, 'a refused wish');
    await shot('1-refused');
    complaints.length = 0; // the browser writes down the 422
    await page.locator('#join-project').fill('optics');
    await page.keyboard.press('Enter');
    await page.waitForURL(/\/requests\?asked=1$/);
    await assertReadable(page, 'asked');
    await shot('2-asked');

    await context.clearCookies();
    await logIn(page, person('alice', 'south'));
    await page.goto(site.url + '/');
    await page.getByRole('link', { name: '1 request waits for your answer' }).click();
    await shot('3-to-answer');
    await page.getByLabel(/^Reason/).fill('welcome');
    await page.keyboard.press('Enter'); // no answer chosen: Enter alone approves nothing
    await page.locator('.problem').waitFor();
    assert.equal(await page.locator('.problem').textContent(), 'Answer: must be given');
    assert.equal(await page.getByLabel(/^Reason/).inputValue(), 'welcome');
    complaints.length = 0;
    await page.getByLabel('approve').check();
    await page.getByRole('button', { name: 'Answer' }).click();
    await page.locator('.notice.good').waitFor();
    assert.match(await text(page), /the request is now approved/);
    await shot('4-approved');
    await page.getByRole('link', { name: 'Project optics', exact: true }).click();
    await assertReadable(page, 'a project');
    await shot('5-project');
    await page.getByRole('link', { name: 'Change Erin Castillo' }).click();
    await assertReadable(page, 'a member');
    const hours = page.getByLabel('Limit in GPU-hours');
    await hours.fill('2,5');
    await page.locator('section[aria-labelledby=limits]').getByLabel('Reason').fill('a first try');
    await page.keyboard.press('Enter');
    await page.locator('.problem').waitFor();
    assert.match(await page.locator('.problem').textContent(), /"2,5" is no amount of GPU-hours/);
    await assertReadable(page, 'a refused limit');
    await shot('6-limit-refused');
    complaints.length = 0;
    await hours.fill('2.5');
    await page.keyboard.press('Enter');
    await page.locator('.notice.good').waitFor();
    assert.equal(await hours.inputValue(), '2.500');
    await page.goto(site.url + '/balance');
    await page.getByText('Per member').click();
    assert.match(await text(page), /Erin Castillo/);
    await assertReadable(page, 'the balance');
    await shot('7-balance');
});

test('a month, and its files', async ({ page, shot }) => {
    await logIn(page, person('alice', 'north'));
    await page.goto(site.url + '/jobs/new');
    await page.locator('[name=name]').fill('counted');
    await page.locator('[name=script]').fill('sleep 1');
    await page.locator('#job-form [type=submit]').click();
    await page.waitForFunction(() => document.getElementById('state')?.textContent === 'completed');
    await page.getByRole('link', { name: 'Statements' }).first().click();
    await assertReadable(page, 'the months');
    await page.locator('tbody a').first().click();
    await page.locator('h1').waitFor();
    assert.match(await text(page), /Alice Nordby/);
    await assertReadable(page, 'a month');
    await shot('month');
    for (const [name, begin] of [['PDF', '%PDF'], ['Excel', 'PK'], ['CSV', 'tenant,']]) {
        const [download] = await Promise.all([page.waitForEvent('download'),
            page.getByRole('link', { name, exact: true }).first().click()]);
        assert.match(download.suggestedFilename(), /^(usage|statement)-\d{4}-\d\d\.(pdf|xlsx|csv)$/);
        assert.ok(readFileSync(await download.path()).toString('latin1').startsWith(begin), name);
    }
});

const phone = { viewport: { width: 390, height: 800 }, colorScheme: 'dark', javaScriptEnabled: false };
test('a phone in the dark without scripts', phone, async ({ page, shot }) => {
    await logIn(page, person('alice', 'north'));
    await page.goto(site.url + '/projects/climate');
    const member = await page.getByRole('link', { name: /^Change Bob/ }).getAttribute('href');
    await page.goto(site.url + '/statements');
    const month = await page.locator('tbody a').first().getAttribute('href');
    for (const path of ['/', '/balance', '/projects/climate', member, '/requests', '/statements', month]) {
        await page.goto(site.url + path);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(wide <= 0, `${path} is ${wide} pixels wider than the screen`);
        await assertReadable(page, path);
        await shot(path.replaceAll('/', '-'));
    }
});

await run();

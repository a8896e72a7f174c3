// SPDX-License-Identifier: Apache-2.0
/* axe-core's rules on the main pages, wide and narrow, light and dark: nothing serious or worse. */
import { readFileSync } from 'node:fs';
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { logIn, person, run, site, test } from './browser.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/* Adds what a page breaks to `found`. */
async function look(page, path, found) {
    await page.evaluate(axe); // by the debugger, past the page's own policy for scripts
    const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
    for (const { id, impact, nodes } of violations)
        if (['serious', 'critical'].includes(impact))
            found.push(...nodes.map(n =>
                `${path}: ${id} (${impact}): ${n.target.join(' ')}: ${n.failureSummary.replace(/\s+/g, ' ')}`));
}

async function placeJob(page) {
    await page.goto(site.url + '/jobs/new');
    await page.locator('[name=name]').fill('read aloud');
    await page.locator('[name=script]').fill('echo one; echo two > result.txt');
    await page.locator('#job-form [type=submit]').click();
    await page.waitForFunction(() => document.getElementById('state')?.textContent === 'completed');
    return new URL(page.url()).pathname;
}

const light = { viewport: { width: 1280, height: 900 } };
const dark = { viewport: { width: 400, height: 800 }, colorScheme: 'dark' };
for (const [name, options] of Object.entries({ light, dark }))
    test(`the main pages by axe-core, ${name}`, options, async ({ page, shot, complaints }) => {
        const found = [];
        await page.goto(site.url + '/login');
        await look(page, '/login', found);
        await logIn(page, person('alice', 'north'));
        const job = await placeJob(page);
        await page.goto(site.url + '/statements');
        const month = await page.locator('tbody a').first().getAttribute('href');
        await page.goto(site.url + '/projects/climate');
        const member = await page.getByRole('link', { name: /^Change Bob/ }).getAttribute('href');
        for (const path of ['/', '/jobs/new', job, `${job}/files`, '/jobs', '/balance', '/statements', month,
            '/projects/climate', member, '/requests']) {
            await page.goto(site.url + path);
            await page.evaluate(() => document.querySelectorAll('details').forEach(d => d.open = true));
            await look(page, path, found);
            await shot(path.replaceAll('/', '-'));
        }
        await page.goto(site.url + '/jobs/new');
        await page.locator('[name=gpus_per_node]').fill('9999');
        await page.locator('#job-form [type=submit]').click();
        await page.locator('.problem').first().waitFor();
        await look(page, 'a refused form', found);
        await page.goto(site.url + '/jobs/999999');
        await look(page, 'a page that is not there', found);
        complaints.length = 0; // the browser writes down the 422 and the 404
        assert.deepEqual(found, []);
    });

test('a newcomer and who answers, by axe-core', light, async ({ page, context, shot }) => {
    const found = [];
    await logIn(page, person('erin', 'south'));
    await look(page, 'home without a project', found);
    await page.goto(site.url + '/requests');
    await page.locator('#join-project').fill('optics');
    await page.locator('#join-note').fill('I measure films with Alice');
    await page.keyboard.press('Enter');
    await page.waitForURL(/\/requests\?asked=1$/);
    await look(page, 'asked', found);
    await context.clearCookies();
    await logIn(page, person('alice', 'south'));
    await look(page, 'home of who answers', found);
    await page.goto(site.url + '/requests');
    await look(page, 'to answer', found);
    await shot('to-answer');
    await context.clearCookies();
    await logIn(page, person('carol', 'north'));
    for (const path of ['/', '/balance', '/requests?of=site']) {
        await page.goto(site.url + path);
        await look(page, path, found);
    }
    assert.deepEqual(found, []);
});

await run();

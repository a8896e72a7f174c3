// SPDX-License-Identifier: Apache-2.0
/* Debian's Chromium on the portal's pages, for tests/browser/test_*.mjs.
 *
 *   import { people, test, run } from './browser.mjs';
 *   test('a researcher submits a job', async ({ page, site, shot }) => { … });
 *   await run();
 *
 * Each test gets a fresh profile; what a page writes to its console as an error, and what it
 * fails to load, fails the test. Screenshots lie in the folder that FIREFLY_SHOTS names. The
 * site runs already: run.py has started it and says where in FIREFLY_SITE (url, ca, people; second: the
 * number of genome's second allocation, of two GPU-hours).
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

export const site = JSON.parse(process.env.FIREFLY_SITE);
const shots = process.env.FIREFLY_SHOTS;
const flags = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync'];
const tests = [];

export function test(name, options, body) {
    tests.push({ name, options: body ? options : {}, body: body ?? options });
}

/* The person `login` of a university, with the password. */
export function person(login, university) {
    return site.people.find(p => p.login === login && p.university === university);
}

/* Logs in through the form, as a person does. */
export async function logIn(page, who) {
    await page.goto(site.url + '/login');
    await page.locator('[name=directory]').selectOption(who.university);
    await page.locator('[name=login]').fill(who.login);
    await page.locator('[name=password]').fill(who.password);
    await page.locator('form button[type=submit]').first().click();
    await page.waitForURL(url => !url.pathname.endsWith('/login'));
}

async function runOne(browser, { name, options, body }) {
    const context = await browser.newContext({
        viewport: { width: 1280, height: 900 }, ignoreHTTPSErrors: true, ...options });
    const page = await context.newPage();
    const complaints = [];
    page.setDefaultTimeout(15000);
    page.on('console', m => m.type() === 'error' && complaints.push(m.text()));
    page.on('pageerror', e => complaints.push(String(e)));
    page.on('requestfailed', r => r.failure()?.errorText !== 'net::ERR_ABORTED' &&
        complaints.push(`${r.url()}: ${r.failure()?.errorText}`));
    const slug = name.replace(/[^a-z0-9]+/gi, '-').toLowerCase();
    const shot = what =>
        page.screenshot({ path: join(shots, `${slug}--${what}.png`), fullPage: true });
    try {
        await body({ page, context, site, shot, complaints });
        if (complaints.length)
            throw new Error('the page complained: ' + complaints.join('; '));
    } catch (e) {
        await shot('failed').catch(() => {});
        throw e;
    } finally {
        await context.close();
    }
}

export async function run() {
    mkdirSync(shots, { recursive: true });
    const browser = await chromium.launch({
        executablePath: process.env.FIREFLY_CHROMIUM || '/usr/bin/chromium',
        headless: true, args: flags });
    let failed = 0;
    for (const one of tests) {
        const begin = performance.now();
        const error = await runOne(browser, one).then(() => null, e => e);
        const ms = Math.round(performance.now() - begin);
        console.log(`${error ? 'FAIL' : 'ok'}  ${one.name}  (${ms} ms)`);
        if (error)
            console.log(error.stack ?? error);
        failed += error ? 1 : 0;
    }
    await browser.close();
    console.log(`${tests.length} tests, ${failed} failed; screenshots in ${shots}`);
    process.exitCode = failed ? 1 : 0;
}

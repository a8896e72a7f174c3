// SPDX-License-Identifier: Apache-2.0
// Pages work without scripts; what is here only adds to them: what a job would hold, what was typed when
// the session ended meanwhile, and a job's log as it grows.
'use strict';

const HOUR_MS = 3600000;
const LOG_KEPT = 400000;   // characters of a log on the page; the rest is in the whole log

/* ---- what a new job would hold */

/* Milliseconds of "90", "90s", "30m", "2h", "1d12h", "01:30:00"; null: none of these. */
function durationMs(text) {
    const clock = /^(\d+):([0-5]\d):([0-5]\d)$/.exec(text);
    if (clock)
        return ((+clock[1] * 60 + +clock[2]) * 60 + +clock[3]) * 1000;
    const parts = /^(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?$/.exec(text);
    if (!text || !parts)
        return null;
    const [d, h, m, s] = parts.slice(1).map(n => +(n ?? 0));
    return (((d * 24 + h) * 60 + m) * 60 + s) * 1000;
}

function durationText(ms) {
    const minutes = Math.floor(ms / 60000), h = Math.floor(minutes / 60), d = Math.floor(h / 24);
    if (d > 0)
        return `${d} d ${h % 24} h`;
    if (h > 0)
        return `${h} h ${minutes % 60} min`;
    return minutes > 1 ? `${minutes} min` : `${Math.floor(ms / 1000)} s`;
}

const hours = gpums => (Math.floor(gpums / HOUR_MS * 10 + 0.5) / 10).toFixed(1);

function showHold(form, out) {
    const gpus = +form.gpus_per_node.value, nodes = +(form.nodes.value || 1);
    const ms = durationMs(form.time_limit.value.trim());
    const project = form.project.selectedOptions[0], allocation = form.elements.allocation?.selectedOptions[0];
    const weight = +(form.gpu_type.selectedOptions[0]?.dataset.weight ?? 0);
    if (!Number.isInteger(gpus) || !Number.isInteger(nodes) || gpus < 1 || nodes < 1 || !ms || !project || !weight) {
        out.textContent = 'Give GPUs and a time limit to see what the job will hold.';
        out.classList.remove('over');
        return;
    }
    const payer = allocation?.value ? `allocation ${allocation.value}` : project.value;
    const free = +(allocation?.dataset.free ?? project.dataset.free), hold = Math.floor(gpus * nodes * ms * weight / 1000);
    const fits = hold <= free, strong = document.createElement('strong');
    strong.textContent = `${fits ? 'Holds' : 'Would hold'} ${hours(hold)} GPU-h`;
    const counted = weight === 1000 ? '' : ` (${form.gpu_type.selectedOptions[0].label}: counted ×${weight / 1000})`;
    const rest = counted + (fits ? ` of ${hours(free)} free. What is not used comes back when the job ends.`
        : `, but ${payer} has ${hours(free)} free for you: ` + (free * ms / hold >= 1000
            ? `${durationText(free * ms / hold)} would fit.` : 'nothing would fit.'));
    out.replaceChildren(strong, rest);
    out.classList.toggle('over', !fits);
}

/* The list of allocations follows the project; one that has no choice shows none. */
function choiceOf(form) {
    const { project, allocation } = form.elements, field = document.getElementById('allocation-field');
    const [first] = allocation?.options ?? [], groups = [...allocation?.children ?? []].slice(1);
    let shown = null;
    return () => {
        if (!allocation || shown === project.value)
            return;
        const kept = allocation.value, own = groups.filter(group => group.label === project.value);
        shown = project.value;
        allocation.replaceChildren(first, ...own);
        allocation.value = [...allocation.options].some(o => o.value === kept) ? kept : '';
        field.hidden = !own.length && !field.querySelector('.problem');
    };
}

function watchForm(form) {
    const out = document.getElementById('hold'), updateChoice = choiceOf(form);
    const update = () => {
        updateChoice();
        showHold(form, out);
    };
    form.addEventListener('input', update);
    form.addEventListener('change', update);
    form.addEventListener('submit', () => {
        keepTyped(form);
        form.querySelector('[type=submit]').textContent = 'Submitting …';
    });
    restoreTyped(form);
    update();
    form.querySelector('[aria-invalid=true]')?.focus();
}

/* ---- what was typed, until there is a job of it */

const TYPED = 'typed';   // in this tab's own storage, which ends with the tab
const whoIsHere = () => document.querySelector('.who')?.textContent;

/* Its key too: what was sent after all is then the same job, not a second one. */
function keepTyped(form) {
    const fields = [...form.elements].filter(e => e.name && e.name !== 'token')
        .map(e => [e.name, e.type === 'checkbox' ? e.checked : e.value]);
    try {
        sessionStorage.setItem(TYPED, JSON.stringify({ who: whoIsHere(), fields }));
    } catch {
        // no room, or no storage: as it would be without
    }
}

function typedBefore() {
    try {
        return JSON.parse(sessionStorage.getItem(TYPED));
    } catch {
        return null;
    }
}

const dropTyped = () => {
    try {
        sessionStorage.removeItem(TYPED);
    } catch {
        // no storage
    }
};

/* Only into a form as the server makes it for a new job, and only for who typed it. */
function restoreTyped(form) {
    const typed = typedBefore(), { name, script } = form.elements;
    if (!typed || location.pathname !== '/jobs/new')
        return;
    if (typed.who !== whoIsHere()) {
        dropTyped();
        return;
    }
    if (name.defaultValue || script.defaultValue || name.value || script.value)
        return;
    for (const [field, value] of typed.fields) {
        const input = form.elements[field];
        if (input?.type === 'checkbox')
            input.checked = value;
        else if (input && input.tagName !== 'SELECT' || [...input?.options ?? []].some(o => o.value === value))
            input.value = value;
    }
    form.querySelector('details').open ||= [...form.querySelectorAll('details :is(input, select)')].some(isChanged);
    document.getElementById('restored').hidden = false;
}

const isChanged = input => input.type === 'checkbox' ? input.checked !== input.defaultChecked
    : input.tagName === 'SELECT' ? input.selectedIndex > 0 : input.value !== input.defaultValue;

/* A session that ended while a job was typed: after the login, back to where it was typed. */
function leadBack(next) {
    const from = document.referrer && new URL(document.referrer);
    if (next.value === '/' && from && from.origin === location.origin &&
            ['/jobs', '/jobs/new'].includes(from.pathname) && typedBefore())
        next.value = '/jobs/new';
}

/* Coming back by the Back button: a form keeps what was typed, any other page is looked at anew. */
addEventListener('pageshow', event => {
    const button = document.querySelector('#job-form [type=submit]');
    if (event.persisted && button)
        button.textContent = 'Submit job';
    else if (event.persisted)
        location.reload();
});

/* ---- a job's log as it grows */

function watchJob(log) {
    const part = id => document.getElementById(id);
    const live = part('live'), notice = part('log-notice');
    const [events, from] = log.dataset.events.split('?from=');
    let place = from, attempt = Number(from?.split('-')[0] ?? 0), atEnd = true, stream = null;

    /* A carriage return begins the line anew: progress bars. */
    const append = text => {
        let whole = log.textContent.slice(-LOG_KEPT);
        for (const piece of text.replace(/\r+\n/g, '\n').split(/(?=\r)/))
            whole = piece[0] === '\r' ? whole.slice(0, whole.lastIndexOf('\n') + 1) + piece.slice(1) : whole + piece;
        log.textContent = whole;
        if (atEnd)
            log.scrollTop = log.scrollHeight;
    };
    log.addEventListener('scroll', () => {
        atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    });
    log.scrollTop = log.scrollHeight;

    /* What else a new state changes on the page is taken from the page itself, made anew. */
    const renew = async () => {
        // not followed to the login page, which is no news of the job
        const reply = await fetch(location.href, { redirect: 'manual' }).catch(() => null);
        if (!reply?.ok)
            return;
        const page = new DOMParser().parseFromString(await reply.text(), 'text/html');
        for (const id of ['facts', 'files', 'attempts']) {
            const fresh = page.getElementById(id);
            if (fresh)
                part(id)?.replaceWith(document.adoptNode(fresh));
        }
    };
    const tell = text => {
        notice.textContent = text;
        notice.hidden = !text;
    };
    const heard = {};
    const on = (name, what) => {
        heard[name] = event => what(JSON.parse(event.data));
    };
    on('log', data => {
        place = `${data.attempt}-${data.to}`;
        if (attempt && data.attempt !== attempt)
            append(`\n──── attempt ${data.attempt} ────\n`);
        attempt = data.attempt;
        tell('');
        append(data.text);
    });
    on('skip', data => append(`\n──── ${data.bytes} bytes left out, see the whole log ────\n`));
    on('gap', () => append('\n──── some of it was left out, see the whole log ────\n'));
    on('notice', data => tell(data.text));
    on('state', data => {
        if (part('state').textContent !== data.words)
            renew();
        part('state').textContent = data.words;
        part('state').className = `state ${data.tone}`;
        part('reason').textContent = data.reason;
        part('held').textContent = data.held;
        part('charged').textContent = data.charged;
    });
    on('end', () => {
        close();
        location.reload();
    });

    /* A browser has six connections to a site, and each open stream takes one for good: a page that
     * nobody sees gives its own back, and goes on from where it was. */
    const close = () => {
        stream?.close();
        stream = null;
    };
    const open = () => {
        const fresh = new EventSource(place ? `${events}?from=${place}` : events);
        close();
        stream = fresh;
        fresh.onopen = () => {
            live.hidden = false;
            live.classList.remove('off');
            live.textContent = 'live';
        };
        fresh.onerror = () => {
            live.classList.add('off');
            live.textContent = fresh.readyState === EventSource.CLOSED ? 'not live: reload the page' : 'reconnecting …';
        };
        for (const name of Object.keys(heard))
            fresh.addEventListener(name, heard[name]);
    };
    document.addEventListener('visibilitychange', () => document.hidden ? close() : open());
    addEventListener('pagehide', close);
    if (!document.hidden)
        open();
}

const form = document.getElementById('job-form');
if (form)
    watchForm(form);
if (/^\/jobs\/\d+$/.test(location.pathname) && document.getElementById('state'))
    dropTyped();
document.querySelector('form[action="/logout"]')?.addEventListener('submit', dropTyped);
const next = document.querySelector('form[action="/login"] [name=next]');
if (next)
    leadBack(next);
const log = document.getElementById('log');
if (log) {
    log.scrollTop = log.scrollHeight;
    if (log.dataset.events)
        watchJob(log);
}

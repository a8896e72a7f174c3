// SPDX-License-Identifier: Apache-2.0
// Pages work without scripts; what is here only adds to them: what a job would hold, and its log as it
// grows.
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
    const project = form.project.selectedOptions[0];
    const weight = +(form.gpu_type.selectedOptions[0]?.dataset.weight ?? 0);
    if (!Number.isInteger(gpus) || !Number.isInteger(nodes) || gpus < 1 || nodes < 1 || !ms || !project || !weight) {
        out.textContent = 'Give GPUs and a time limit to see what the job will hold.';
        out.classList.remove('over');
        return;
    }
    const free = +project.dataset.free, hold = Math.floor(gpus * nodes * ms * weight / 1000);
    const fits = hold <= free, strong = document.createElement('strong');
    strong.textContent = `${fits ? 'Holds' : 'Would hold'} ${hours(hold)} GPU-h`;
    const counted = weight === 1000 ? '' : ` (${form.gpu_type.selectedOptions[0].label}: counted ×${weight / 1000})`;
    const rest = counted + (fits ? ` of ${hours(free)} free. What is not used comes back when the job ends.`
        : `, but ${project.value} has ${hours(free)} free for you: ` + (free * ms / hold >= 1000
            ? `${durationText(free * ms / hold)} would fit.` : 'nothing would fit.'));
    out.replaceChildren(strong, rest);
    out.classList.toggle('over', !fits);
}

function watchForm(form) {
    const out = document.getElementById('hold');
    const update = () => showHold(form, out);
    form.addEventListener('input', update);
    form.addEventListener('change', update);
    form.addEventListener('submit', () => {
        form.querySelector('[type=submit]').textContent = 'Submitting …';
    });
    update();
    form.querySelector('[aria-invalid=true]')?.focus();
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
    let attempt = Number(/from=(\d+)-/.exec(log.dataset.events)?.[1] ?? 0), atEnd = true;

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
        const reply = await fetch(location.href).catch(() => null);
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
    const stream = new EventSource(log.dataset.events);
    const on = (name, what) => stream.addEventListener(name, event => what(JSON.parse(event.data)));
    stream.onopen = () => {
        live.hidden = false;
        live.classList.remove('off');
        live.textContent = 'live';
    };
    stream.onerror = () => {
        live.classList.add('off');
        live.textContent = stream.readyState === EventSource.CLOSED ? 'not live: reload the page' : 'reconnecting …';
    };
    on('log', data => {
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
        stream.close();
        location.reload();
    });
    addEventListener('pagehide', () => stream.close());
}

const form = document.getElementById('job-form');
if (form)
    watchForm(form);
const log = document.getElementById('log');
if (log) {
    log.scrollTop = log.scrollHeight;
    if (log.dataset.events)
        watchJob(log);
}

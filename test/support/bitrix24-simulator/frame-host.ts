import { randomBytes } from 'node:crypto';
import type { Params } from './php-encoding.js';
import type { PortalApp } from './portal-model.js';

/** A page of the application inside the portal, about to be opened. */
export interface Frame {
  /** APP_SID: names the frame, and is no `application_token`. */
  sid: string;
  app: PortalApp;
  userId: number;
  lang: string;
  /** Where the browser posts the form, query included. */
  url: string;
  /** Fields of the form, strings as the browser sends them. */
  form: Record<string, string>;
  placement: string;
  placementOptions: Params;
}

/** A new APP_SID. */
export function frameSid(): string {
  return randomBytes(16).toString('hex');
}

/**
 * The page of the portal that holds the application's frame. It posts the form and answers the application's
 * messages as the portal does: `command:params:callback:APP_SID` in, `callback:JSON` out
 * (the protocol of the BX24 library and of @bitrix24/b24jssdk).
 */
export function frameHostPage(frame: Frame, windowName: string, initData: Params): string {
  const fields = Object.entries(frame.form).map(
    ([name, value]) => `<input type="hidden" name="${attribute(name)}" value="${attribute(value)}">`,
  );
  return `<!doctype html>
<meta charset="utf-8">
<title>Bitrix24</title>
<style>body { margin: 0 } iframe { border: 0; width: 100%; min-height: 100vh }</style>
<iframe id="app" name="${attribute(windowName)}"></iframe>
<form id="open" method="post" target="${attribute(windowName)}" action="${attribute(frame.url)}">${fields.join('')}</form>
<script>
const initData = ${scriptJson(initData)};
const appOrigin = ${scriptJson(new URL(frame.url).origin)};
const base = ${scriptJson(`/frames/${frame.sid}`)};
${HOST_SCRIPT}
document.getElementById('open').submit();
</script>
`;
}

/** Expects `initData`, `appOrigin` and `base` around it. */
const HOST_SCRIPT = `
const post = (path) => fetch(base + path, { method: 'POST' }).then((answer) => answer.json());
const commands = {
  getInitData: async () => initData,
  refreshAuth: () => post('/auth'),
  setInstallFinish: async () => {
    const { next } = await post('/install-finish');
    setTimeout(() => { location.href = next; }, 50);
    return true;
  },
  resizeWindow: async ({ height }) => {
    document.getElementById('app').style.height = parseInt(height, 10) + 'px';
    return true;
  },
  setTitle: async ({ title }) => { document.title = title; return true; },
  reloadWindow: async () => { location.reload(); return true; },
  closeApplication: async () => { document.getElementById('app').remove(); return true; },
};
window.addEventListener('message', async (event) => {
  if (event.origin !== appOrigin || typeof event.data !== 'string') return;
  const parts = event.data.split(':');
  const [command] = parts;
  const callback = parts[parts.length - 2];
  const raw = parts.slice(1, -2).join(':');
  const params = raw.startsWith('{') ? JSON.parse(raw) : {};
  const answer = command in commands ? await commands[command](params) : true;
  event.source.postMessage(callback + ':' + JSON.stringify(answer), appOrigin);
});
`;

/** `/api/v1/`: the part of the BX24 library that an installation page or a settings page needs. */
export const BX24_LIBRARY = `
(() => {
  const [domain, protocol, sid] = window.name.split('|');
  const origin = (Number(protocol) === 1 ? 'https://' : 'http://') + domain;
  const waiting = new Map();
  let count = 0;
  let data = null;
  window.addEventListener('message', (event) => {
    if (event.origin !== origin || typeof event.data !== 'string') return;
    const mark = event.data.indexOf(':');
    const key = event.data.slice(0, mark);
    waiting.get(key)?.(JSON.parse(event.data.slice(mark + 1)));
    waiting.delete(key);
  });
  const send = (command, params, done = () => {}) => {
    const key = 'bx' + (count += 1);
    waiting.set(key, done);
    parent.postMessage([command, params === undefined ? '' : JSON.stringify(params), key, sid].filter(Boolean).join(':'), origin);
  };
  const auth = () => ({ access_token: data.AUTH_ID, refresh_token: data.REFRESH_ID, expires_in: data.AUTH_EXPIRES, domain, member_id: data.MEMBER_ID });
  window.BX24 = {
    init: (done) => (data === null ? send('getInitData', undefined, (answer) => { data = answer; done(); }) : done()),
    install: (done) => { if (data.INSTALL) done(); },
    installFinish: () => send('setInstallFinish'),
    getAuth: auth,
    refreshAuth: (done) => send('refreshAuth', undefined, (answer) => { Object.assign(data, answer); done(auth()); }),
    getDomain: () => domain,
    getLang: () => data.LANG,
    isAdmin: () => data.IS_ADMIN,
    placement: { info: () => ({ placement: data.PLACEMENT, options: data.PLACEMENT_OPTIONS }) },
    resizeWindow: (width, height, done) => send('resizeWindow', { width, height }, done),
    fitWindow: (done) => send('resizeWindow', { width: '100%', height: document.documentElement.scrollHeight }, done),
    setTitle: (title, done) => send('setTitle', { title }, done),
    reloadWindow: (done) => send('reloadWindow', undefined, done),
    closeApplication: (done) => send('closeApplication', undefined, done),
    callMethod: (method, params, done) =>
      fetch(origin + '/rest/' + method, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ ...params, auth: data.AUTH_ID }),
      })
        .then((answer) => answer.json())
        .then((answer) => done?.({ data: () => answer.result, error: () => answer.error, total: () => answer.total, more: () => false })),
  };
})();
`;

function attribute(value: string): string {
  return value.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;');
}

/** JSON that cannot end the script element. */
function scriptJson(value: unknown): string {
  return JSON.stringify(value).replaceAll('<', '\\u003C');
}

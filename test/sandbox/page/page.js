import { bitrixText, telegramText, typedByClient } from './markup.js';
import { currentLanguage, switchLanguage, text, translatePage } from './texts.js';

const byId = (id) => document.getElementById(id);

/** The last state that the server sent. */
let state = null;
let selected = null;
/** Id of the operator's message that is being edited. */
let editing = null;
/** Client id → messages that were in the dialog when somebody looked. */
const looked = new Map();

// --- talking to the server

async function act(name, body = {}) {
  try {
    const response = await fetch(`/actions/${name}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const answer = await response.json();
    if (response.ok) return answer;
    say(answer.error);
  } catch {
    say(text('lost'));
  }
  return null;
}

function connect() {
  const source = new EventSource('/state');
  source.addEventListener('message', ({ data }) => {
    state = JSON.parse(data);
    selected ??= state.clients[0].id;
    show();
  });
  source.addEventListener('error', () => {
    showNode('bridge', false, text('notReady'));
    say(text('lost'));
    // While the sandbox starts again it refuses, and the browser then gives up.
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, 1500);
  });
}

let toastTimer;

function say(words) {
  const toast = byId('toast');
  toast.textContent = words;
  toast.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => (toast.hidden = true), 5000);
}

// --- showing

function make(tag, className, ...content) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...content);
  return element;
}

const client = () => state.clients.find(({ id }) => id === selected) ?? state.clients[0];

function show() {
  showChain();
  showClients();
  showTelegram();
  showBitrix24();
}

function showNode(name, up, words) {
  const node = byId(`node-${name}`);
  node.classList.toggle('up', up);
  node.classList.toggle('down', !up);
  const label = name === 'bridge' ? text('bridge') : { telegram: 'Telegram', bitrix24: text('bitrix24') }[name];
  const content = words ? [make('b', '', label), make('small', '', words)] : [make('b', '', label)];
  if (node.textContent !== label + words) node.replaceChildren(...content);
}

function showChain() {
  const { telegram, bridge, bitrix24 } = state.chain;
  for (const [name, { down }] of Object.entries({ telegram, bitrix24 })) {
    showNode(name, down === 0, down === 0 ? '' : text('down', down));
    byId(`down-${name}`).disabled = down > 0;
  }
  const words = bridge.ready
    ? bridge.waiting > 0
      ? text('waiting', bridge.waiting)
      : text('ready')
    : text('notReady');
  showNode('bridge', bridge.ready, words);
  byId('node-bridge').classList.toggle('busy', bridge.ready && bridge.waiting > 0);
  byId('docs').href = state.docs;
  byId('language').textContent = text('language');
}

const initials = (name) =>
  name
    .split(' ')
    .map((word) => [...word][0])
    .join('')
    .slice(0, 2);

const weight = ({ bitrix24 }) => bitrix24.length;

function showClients() {
  looked.set(selected, weight(client()));
  const list = byId('clients');
  for (const person of state.clients) {
    let button = list.querySelector(`[data-id="${person.id}"]`);
    if (!button) {
      button = make(
        'button',
        'person',
        make('span', 'avatar', initials(person.name)),
        person.name,
        make('span', 'unread'),
      );
      button.type = 'button';
      button.dataset.id = person.id;
      button.firstChild.dataset.color = person.id % 6;
      button.firstChild.setAttribute('aria-hidden', 'true');
      button.addEventListener('click', () => select(person.id));
      list.append(button);
    }
    button.setAttribute('aria-current', String(person.id === selected));
    const unread = weight(person) - (looked.get(person.id) ?? 0);
    button.lastChild.textContent = unread > 0 ? unread : '';
    button.lastChild.title = unread > 0 ? text('unread', unread) : '';
  }
}

function select(id) {
  selected = id;
  stopEditing();
  show();
}

/** Brings a list of messages up to date; touches only what has changed, so that reading and selecting go on. */
function showMessages(list, messages, render, empty) {
  const owner = `${selected}/${currentLanguage()}`;
  if (list.dataset.owner !== owner) {
    list.dataset.owner = owner;
    list.replaceChildren();
  }
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 60;
  const known = new Map([...list.children].map((element) => [element.dataset.id, element]));
  let added = false;
  for (const message of messages) {
    const id = String(message.id);
    const version = JSON.stringify(message);
    const before = known.get(id);
    known.delete(id);
    if (before?.dataset.version === version) continue;
    const element = render(message);
    element.dataset.id = id;
    element.dataset.version = version;
    if (before) before.replaceWith(element);
    else {
      list.append(element);
      added = true;
    }
  }
  if (messages.length === 0) {
    if (!list.querySelector('.empty')) list.append(make('p', 'empty', empty));
    return;
  }
  for (const gone of known.values()) gone.remove();
  if (added && atEnd) list.scrollTop = list.scrollHeight;
}

const clock = (at) => new Date(at).toLocaleTimeString(currentLanguage(), { hour: '2-digit', minute: '2-digit' });

function showTelegram() {
  const { blocked, telegram } = client();
  byId('telegram-name').textContent = state.bot;
  byId('telegram-avatar').textContent = initials(state.bot);
  byId('block').textContent = text(blocked ? 'unblock' : 'block');
  byId('block').disabled = telegram.length === 0;
  for (const control of byId('telegram-form').querySelectorAll('button, textarea')) control.disabled = blocked;
  byId('telegram-text').placeholder = text(blocked ? 'blocked' : 'clientWrites');
  showMessages(byId('telegram-messages'), telegram, telegramMessage, text('telegramEmpty'));
}

function telegramMessage({ mine, at, edited, kind, text: words, entities }) {
  const bubble = make('article', `bubble ${mine ? 'mine' : 'theirs'} ${kind}`);
  bubble.append(...telegramContent(kind, words, entities));
  const meta = make('footer', '', edited ? `${text('edited')} ` : '', clock(at));
  if (mine) meta.append(tick('sent', '✓'));
  bubble.append(meta);
  return bubble;
}

function telegramContent(kind, words, entities) {
  if (kind === 'text') return [make('div', 'words', telegramText(words, entities))];
  if (kind === 'sticker') return [make('div', 'big', words)];
  if (kind === 'photo') {
    const picture = make('div', 'picture', '🏞');
    picture.setAttribute('role', 'img');
    picture.setAttribute('aria-label', text('photo'));
    return words ? [picture, make('div', 'words', telegramText(words, entities))] : [picture];
  }
  const label = kind === 'voice' ? text('voice', words) : text(kind === 'location' ? 'location' : 'other');
  const icon = { voice: '🎤', location: '📍' }[kind] ?? '❔';
  return [make('div', 'words', `${icon} ${label}`)];
}

function tick(name, sign) {
  const element = make('span', `tick ${name}`, sign);
  element.setAttribute('role', 'img');
  element.setAttribute('aria-label', text(name));
  element.title = text(name);
  return element;
}

function showBitrix24() {
  const { id, name, bitrix24 } = client();
  byId('bitrix24-name').textContent = `${name} – ${state.line}`;
  byId('bitrix24-avatar').textContent = initials(name);
  byId('bitrix24-avatar').dataset.color = id % 6;
  const open = bitrix24.length > 0;
  for (const control of byId('bitrix24-form').querySelectorAll('button, textarea, input')) control.disabled = !open;
  byId('bitrix24-text').placeholder = text(editing === null ? 'operatorWrites' : 'operatorEdits');
  showMessages(byId('bitrix24-messages'), bitrix24, bitrix24Message, text('bitrix24Empty'));
}

const TICKS = { clock: '🕓', delivered: '✓', seen: '✓✓' };

function bitrix24Message(message) {
  const { author, name, text: words, files, whisper, deleted } = message;
  if (author === 'system') return make('article', 'note', bitrixText(words));
  const mine = author === 'operator';
  const bubble = make('article', `bubble ${mine ? 'mine' : 'theirs'}${whisper ? ' hidden-from-client' : ''}`);
  if (mine) bubble.append(make('div', 'author', name));
  if (deleted) bubble.append(make('div', 'words gone', text('deleted')));
  else bubble.append(make('div', 'words', bitrixText(words)));
  for (const file of files) bubble.append(make('div', 'file', `📎 ${file}`));
  bubble.append(bitrix24Footer(message, mine));
  return bubble;
}

function bitrix24Footer(message, mine) {
  const footer = make('footer', '');
  if (mine && !message.deleted) footer.append(changeButtons(message));
  if (message.whisper) footer.append(`${text('whisper')} · `);
  if (message.edited) footer.append(`${text('edited')} `);
  footer.append(clock(message.at));
  if (message.tick) {
    const sign = tick(message.tick, TICKS[message.tick]);
    if (message.tick === 'seen') sign.append(` ${text('seen')}`);
    footer.append(sign);
  }
  return footer;
}

function changeButtons({ id, text: words }) {
  const edit = make('button', 'quiet', '✎');
  const remove = make('button', 'quiet', '✕');
  for (const [button, label] of [
    [edit, 'edit'],
    [remove, 'delete'],
  ]) {
    button.type = 'button';
    button.title = text(label);
    button.setAttribute('aria-label', text(label));
  }
  edit.addEventListener('click', () => startEditing(id, words));
  remove.addEventListener('click', () => act('operatorDeletes', { id }));
  return make('div', 'change', edit, remove);
}

// --- writing

function startEditing(id, words) {
  editing = id;
  const input = byId('bitrix24-text');
  input.value = words;
  input.placeholder = text('operatorEdits');
  input.focus();
  grow(input);
}

function stopEditing() {
  if (editing === null) return;
  editing = null;
  byId('bitrix24-text').value = '';
  byId('bitrix24-text').placeholder = text('operatorWrites');
}

function grow(input) {
  input.rows = Math.min(6, input.value.split('\n').length);
}

/** Enter sends, Shift+Enter begins a new line. */
function composer(name, send) {
  const form = byId(`${name}-form`);
  const input = byId(`${name}-text`);
  input.addEventListener('input', () => grow(input));
  input.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') stopEditing();
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const words = input.value;
    if (words.trim() === '') return;
    input.value = '';
    grow(input);
    if ((await send(words)) === null && input.value === '') input.value = words;
    byId(`${name}-messages`).scrollTop = byId(`${name}-messages`).scrollHeight;
  });
}

composer('telegram', (words) => act('clientSends', { client: selected, ...typedByClient(words) }));

composer('bitrix24', (words) => {
  if (editing === null)
    return act('operatorSends', { client: selected, text: words, whisper: byId('whisper').checked });
  const id = editing;
  stopEditing();
  return act('operatorEdits', { id, text: words });
});

for (const button of document.querySelectorAll('[data-kind]')) {
  button.addEventListener('click', () => act('clientSends', { client: selected, kind: button.dataset.kind }));
}
for (const network of ['telegram', 'bitrix24']) {
  byId(`down-${network}`).addEventListener('click', () => act('breakDown', { network }));
}
byId('block').addEventListener('click', () =>
  act(client().blocked ? 'clientUnblocks' : 'clientBlocks', { client: selected }),
);
byId('new-client').addEventListener('click', async () => {
  const made = await act('newClient', { language: currentLanguage() });
  if (!made) return;
  select(made.id);
  byId('telegram-text').focus();
});
byId('language').addEventListener('click', () => {
  switchLanguage();
  translatePage();
  if (state) show();
});
document.addEventListener('click', ({ target }) => target.closest?.('.entity-spoiler')?.classList.toggle('open'));

translatePage();
connect();

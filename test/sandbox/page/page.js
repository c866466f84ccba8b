import { dialogBubble, telegramBubble } from './bubbles.js';
import { asPhoto, Composer } from './composer.js';
import { byId, make } from './dom.js';
import { typedByClient } from './markup.js';
import { act, say } from './server.js';
import { currentLanguage, switchLanguage, text, translatePage } from './texts.js';

/** The last state that the server sent. */
let state = null;
let selected = null;
/** Client id → messages that were in the dialog when somebody looked. */
const looked = new Map();

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

// --- showing

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
  byId('console').href = state.console;
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
  telegramComposer.leave();
  bitrix24Composer.leave();
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
  let changed = false;
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
    else list.append(element);
    changed = true;
  }
  if (messages.length === 0) {
    if (!list.querySelector('.empty')) list.append(make('p', 'empty', empty));
    return;
  }
  for (const gone of known.values()) gone.remove();
  if (changed && atEnd) list.scrollTop = list.scrollHeight;
}

function showTelegram() {
  const { blocked, asksPhone, telegram } = client();
  byId('telegram-name').textContent = state.bot;
  byId('telegram-avatar').textContent = initials(state.bot);
  byId('block').textContent = text(blocked ? 'unblock' : 'block');
  byId('block').disabled = telegram.length === 0;
  byId('link').disabled = blocked;
  byId('phone').hidden = !asksPhone;
  for (const control of byId('telegram-form').elements) control.disabled = blocked;
  byId('telegram-text').placeholder = text(blocked ? 'blocked' : 'clientWrites');
  telegramComposer.showMode();
  showMessages(
    byId('telegram-messages'),
    telegram,
    (message) => telegramBubble(message, clientActions),
    text('telegramEmpty'),
  );
}

/** What the CRM knows of the client; without a deal it says what makes one. */
function showDeal() {
  const { deal } = client();
  byId('deal-title').textContent = deal ? `${text('deal')}: ${deal.title}` : text('noDeal');
  byId('robot').disabled = !deal;
  const fields = (deal?.fields ?? []).flatMap(({ name, value }) => [make('dt', '', name), make('dd', '', value)]);
  byId('deal-fields').replaceChildren(...fields);
  const { status, error } = deal?.robot ?? {};
  byId('deal-robot').textContent = deal?.robot ? `🤖 ${text('robotGot')}: ${error || status || '…'}` : '';
}

function showBitrix24() {
  const { id, name, bitrix24 } = client();
  showDeal();
  byId('bitrix24-name').textContent = `${name} – ${state.line}`;
  byId('bitrix24-avatar').textContent = initials(name);
  byId('bitrix24-avatar').dataset.color = id % 6;
  for (const control of byId('bitrix24-form').elements) control.disabled = bitrix24.length === 0;
  bitrix24Composer.showMode();
  showMessages(
    byId('bitrix24-messages'),
    bitrix24,
    (message) => dialogBubble(message, operatorActions),
    text('bitrix24Empty'),
  );
}

// --- writing

const inShort = ({ text: words, files }) => words || files.map(({ name }) => name).join(', ');

const telegramComposer = new Composer(
  'telegram',
  (words, files, mode) => {
    const { text: said, entities } = typedByClient(words);
    if (mode?.kind === 'edit') return act('clientEdits', { client: selected, id: mode.id, text: said, files });
    return act('clientSends', { client: selected, text: said, entities, files, reply: mode?.id });
  },
  asPhoto,
);

const clientActions = {
  reply: (message) => telegramComposer.begin({ kind: 'reply', id: message.id, words: inShort(message) }),
  edit: ({ id, text: words }) => telegramComposer.begin({ kind: 'edit', id, words }),
  react: ({ id, reaction }) => act('clientReacts', { client: selected, id, emoji: reaction ? null : '👍' }),
  press: ({ id }, { data }) => act('clientPresses', { client: selected, id, data }),
};

const bitrix24Composer = new Composer('bitrix24', (words, files, mode) => {
  if (mode?.kind === 'edit') return act('operatorEdits', { id: mode.id, text: words, files });
  const whisper = byId('whisper').checked;
  return act('operatorSends', { client: selected, text: words, files, whisper, quote: mode?.id });
});

const operatorActions = {
  reply: (message) => bitrix24Composer.begin({ kind: 'reply', id: message.id, words: inShort(message) }),
  edit: ({ id, text: words }) => bitrix24Composer.begin({ kind: 'edit', id, words }),
  remove: ({ id }) => act('operatorDeletes', { id }),
};

byId('location').addEventListener('click', () => act('clientSends', { client: selected, location: true }));
byId('phone').addEventListener('click', () => act('clientSharesPhone', { client: selected }));
byId('robot').addEventListener('click', () => act('robotRuns', { client: selected }));
byId('link').addEventListener('click', () => act('clientOpensLink', { client: selected }));
byId('record').addEventListener('click', () => act('operatorRecords', { client: selected }));
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

import { make, signButton } from './dom.js';
import { bitrixText, telegramText } from './markup.js';
import { currentLanguage, text } from './texts.js';

const TICKS = { clock: '🕓', delivered: '✓' };
const UNITS = { en: ['B', 'KB', 'MB', 'GB'], ru: ['Б', 'КБ', 'МБ', 'ГБ'] };

const clock = (at) => new Date(at).toLocaleTimeString(currentLanguage(), { hour: '2-digit', minute: '2-digit' });

/** `on`: { reply(message), edit(message), react(message), press(message, button) } */
export function telegramBubble(message, on) {
  const { mine, deleted, files, reply, reaction, location, text: words, entities, buttons: rows } = message;
  const sticker = files[0]?.kind === 'sticker' ? ' sticker' : '';
  const bubble = make('article', `bubble ${mine ? 'mine' : 'theirs'}${sticker}${deleted ? ' deleted' : ''}`);
  if (reply) bubble.append(make('blockquote', 'reply', make('b', '', reply.name), make('span', '', reply.words)));
  if (files.length > 0) bubble.append(gallery(files));
  if (location) bubble.append(make('div', 'words', `📍 ${text('location')} ${location}`));
  if (words) bubble.append(make('div', 'words', telegramText(words, entities)));
  const buttons = deleted
    ? []
    : [
        signButton('↩', text('reply'), () => on.reply(message)),
        ...(mine && (words || files.length > 0) ? [signButton('✎', text('edit'), () => on.edit(message))] : []),
        ...(mine ? [] : [signButton('👍', text(reaction ? 'unreact' : 'react'), () => on.react(message))]),
      ];
  const meta = footer(message, buttons);
  if (reaction) meta.prepend(make('span', 'reaction', reaction));
  if (mine && !deleted) meta.append(tick('sent', '✓'));
  bubble.append(meta);
  if (!deleted && rows.length > 0) bubble.append(keyboard(rows, (button) => on.press(message, button)));
  return bubble;
}

function keyboard(rows, onPress) {
  const shown = rows.map((row) => make('div', 'row', ...row.map((button) => keyboardButton(button, onPress))));
  return make('div', 'keyboard', ...shown);
}

function keyboardButton(button, onPress) {
  if (button.url)
    return Object.assign(make('a', '', `${button.text} ↗`), { href: button.url, target: '_blank', rel: 'noopener' });
  const element = Object.assign(make('button', '', button.text), {
    type: 'button',
    disabled: button.data === undefined,
  });
  element.addEventListener('click', () => onPress(button));
  return element;
}

/** `on`: { reply(message), edit(message), remove(message) } */
export function dialogBubble(message, on) {
  const { author, name, text: words, files, whisper, deleted } = message;
  if (author === 'system') return make('article', 'note', bitrixText(words));
  const mine = author === 'operator';
  const marks = `${whisper ? ' hidden-from-client' : ''}${deleted ? ' deleted' : ''}`;
  const bubble = make('article', `bubble ${mine ? 'mine' : 'theirs'}${marks}`);
  if (mine) bubble.append(make('div', 'author', name));
  if (files.length > 0) bubble.append(gallery(files));
  if (words) bubble.append(make('div', 'words', bitrixText(words)));
  const canChange = mine && !whisper;
  const buttons = deleted
    ? []
    : [
        signButton('↩', text('quote'), () => on.reply(message)),
        ...(canChange ? [signButton('✎', text('edit'), () => on.edit(message))] : []),
        ...(canChange ? [signButton('✕', text('delete'), () => on.remove(message))] : []),
      ];
  const meta = footer(message, buttons);
  if (message.tick && !deleted) meta.append(tick(message.tick, TICKS[message.tick]));
  bubble.append(meta);
  return bubble;
}

function footer({ at, edited, deleted, whisper }, buttons) {
  const marks = [whisper && text('whisper'), deleted ? text('deleted') : edited && text('edited'), clock(at)];
  const element = make('footer', '', make('span', 'meta', marks.filter(Boolean).join(' · ')));
  if (buttons.length > 0) element.prepend(make('div', 'change', ...buttons));
  return element;
}

function tick(name, sign) {
  const element = make('span', `tick ${name}`, sign);
  element.setAttribute('role', 'img');
  element.setAttribute('aria-label', text(name));
  element.title = text(name);
  return element;
}

// --- files

const isTile = ({ kind, url }) => kind === 'image' && url !== null;

/** Pictures as tiles, the rest one below the other. */
function gallery(files) {
  const tiles = files.filter(isTile);
  const box = make('div', 'files');
  if (tiles.length > 0) box.append(make('div', `tiles${tiles.length > 1 ? ' several' : ''}`, ...tiles.map(picture)));
  box.append(...files.filter((file) => !isTile(file)).map(fileElement));
  return box;
}

function fileElement(file) {
  if (file.url === null) return make('div', 'file', `📎 ${file.name}`);
  if (file.kind === 'sticker') return image(file, 'stuck');
  if (file.kind === 'audio' || file.kind === 'video') return player(file);
  return download(file);
}

function picture(file) {
  const anchor = make('a', '', image(file, ''));
  anchor.href = file.url;
  anchor.target = '_blank';
  return anchor;
}

function image({ url, name }, className) {
  const element = make('img', className);
  element.src = url;
  element.alt = name;
  return element;
}

function player({ kind, url, name }) {
  const element = make(kind, '');
  element.controls = true;
  element.preload = 'metadata';
  element.src = url;
  element.setAttribute('aria-label', name);
  return element;
}

function download({ url, name, size }) {
  const anchor = make(
    'a',
    'file',
    make('span', 'icon', '📄'),
    make('span', 'name', name),
    make('small', '', sizeOf(size)),
  );
  anchor.href = url;
  anchor.download = name;
  return anchor;
}

function sizeOf(bytes) {
  const units = UNITS[currentLanguage()];
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  return `${Number((bytes / 1024 ** power).toFixed(1)).toLocaleString(currentLanguage())} ${units[power]}`;
}

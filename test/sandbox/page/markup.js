const SAFE_LINK = /^(https?:\/\/|mailto:|tel:|tg:)/i;
const TAGS = { b: 'strong', i: 'em', u: 'u', s: 's' };
const ENTITIES = {
  bold: 'strong',
  italic: 'em',
  underline: 'u',
  strikethrough: 's',
  code: 'code',
  pre: 'pre',
  blockquote: 'blockquote',
  expandable_blockquote: 'blockquote',
};

function link(href) {
  const anchor = document.createElement('a');
  if (SAFE_LINK.test(href)) anchor.href = href;
  anchor.target = '_blank';
  anchor.rel = 'noopener noreferrer';
  return anchor;
}

/** Text with its bare addresses as links. */
function linked(words) {
  const fragment = document.createDocumentFragment();
  for (const [index, part] of words.split(/(https?:\/\/[^\s[\]<>"]+[^\s[\]<>".,;:!?)])/g).entries()) {
    if (index % 2 === 0) fragment.append(part);
    else {
      const anchor = link(part);
      anchor.textContent = part;
      fragment.append(anchor);
    }
  }
  return fragment;
}

// --- Telegram

function entityElement(entity, words) {
  if (entity.type === 'text_link') return link(entity.url);
  if (entity.type === 'url') return link(/^[a-z]+:/i.test(words) ? words : `https://${words}`);
  if (entity.type === 'email') return link(`mailto:${words}`);
  const element = document.createElement(ENTITIES[entity.type] ?? 'span');
  if (!ENTITIES[entity.type]) element.className = `entity-${entity.type}`;
  return element;
}

/** Text with Telegram entities (offsets in UTF-16 units, nested ones inside their outer ones) as DOM. */
export function telegramText(words, entities) {
  const sorted = [...entities].sort((a, b) => a.offset - b.offset || b.length - a.length);
  let next = 0;
  const render = (from, to) => {
    const fragment = document.createDocumentFragment();
    let at = from;
    while (next < sorted.length && sorted[next].offset < to) {
      const entity = sorted[next++];
      const end = Math.min(entity.offset + entity.length, to);
      fragment.append(words.slice(at, entity.offset));
      const element = entityElement(entity, words.slice(entity.offset, end));
      element.append(render(entity.offset, end));
      fragment.append(element);
      // A quotation ends its line by itself.
      at = element.tagName === 'BLOCKQUOTE' && words[end] === '\n' ? end + 1 : end;
    }
    fragment.append(words.slice(at, to));
    return fragment;
  };
  return render(0, words.length);
}

const TYPED = [
  [/\*\*(?=\S)([^*\n]*\S)\*\*/, 'bold'],
  [/__(?=\S)([^_\n]*\S)__/, 'italic'],
  [/~~(?=\S)([^~\n]*\S)~~/, 'strikethrough'],
  [/\|\|(?=\S)([^|\n]*\S)\|\|/, 'spoiler'],
  [/`([^`\n]+)`/, 'code'],
];

/** What the app makes of typed marks: the text without them, and entities. */
export function typedByClient(typed) {
  let words = typed;
  const entities = [];
  for (const [pattern, type] of TYPED) {
    for (let match = pattern.exec(words); match; match = pattern.exec(words)) {
      const inner = match[1];
      const mark = match[0].indexOf(inner);
      words = words.slice(0, match.index) + inner + words.slice(match.index + match[0].length);
      for (const entity of entities) moveOver(entity, match.index, mark, inner.length);
      entities.push({ type, offset: match.index, length: inner.length });
    }
  }
  return { text: words, entities };
}

/** Marks of `width` before and after `length` characters at `offset` were taken out. */
function moveOver(entity, offset, width, length) {
  const shift = (position) => {
    if (position <= offset) return position;
    return position >= offset + length + 2 * width ? position - 2 * width : position - width;
  };
  const end = shift(entity.offset + entity.length);
  entity.offset = shift(entity.offset);
  entity.length = end - entity.offset;
}

// --- Bitrix24

/** The messenger frames what is quoted: a line of dashes, who and when, the words, a line of dashes. */
const FRAME = /^-{54}\n([^\n]*)\n([^]*?)\n-{54}(?:\n|$)/m;
/** `>>` at the beginning of each line quotes too. */
const QUOTED_LINES = /^>>.*(?:\n>>.*)*(?:\n|$)/m;

/** BBCode as Bitrix24's messenger shows it: known tags as DOM, both kinds of quotations, the rest as typed. */
export function bitrixText(source) {
  const root = document.createDocumentFragment();
  let rest = source.replace(/\[br\]/gi, '\n');
  for (let quotation; (quotation = firstQuotation(rest));) {
    const [whole] = quotation.match;
    if (quotation.match.index > 0) root.append(bbcode(rest.slice(0, quotation.match.index).replace(/\n$/, '')));
    root.append(quotation.element);
    rest = rest.slice(quotation.match.index + whole.length);
  }
  root.append(bbcode(rest));
  return root;
}

function firstQuotation(source) {
  const framed = FRAME.exec(source);
  const lines = QUOTED_LINES.exec(source);
  if (!framed && !lines) return null;
  if (lines && !(framed?.index <= lines.index)) {
    return { match: lines, element: blockquote(bbcode(lines[0].trimEnd().replace(/^>>/gm, ''))) };
  }
  const author = document.createElement('b');
  author.textContent = framed[1].replace(/ #chat\d+\/\d+$/, '');
  return { match: framed, element: blockquote(author, '\n', bbcode(framed[2])) };
}

function blockquote(...content) {
  const quote = document.createElement('blockquote');
  quote.append(...content);
  return quote;
}

function bbcode(source) {
  const root = document.createDocumentFragment();
  const stack = [{ name: '', element: root }];
  const top = () => stack.at(-1).element;
  let rest = source;
  for (let match; (match = /\[(\/?)(b|i|u|s|code|url|quote|size|color|font)(?:=([^\]]*))?\]/i.exec(rest));) {
    const [whole, closing, tag, value] = match;
    const name = tag.toLowerCase();
    top().append(linked(rest.slice(0, match.index)));
    rest = rest.slice(match.index + whole.length);
    if (closing) {
      if (stack.some((open) => open.name === name)) while (stack.pop().name !== name);
      else top().append(whole);
      continue;
    }
    if (name === 'code' || (name === 'url' && value === undefined)) {
      const end = rest.toLowerCase().indexOf(`[/${name}]`);
      const inner = end < 0 ? rest : rest.slice(0, end);
      rest = end < 0 ? '' : rest.slice(end + name.length + 3);
      const element = name === 'code' ? document.createElement('code') : link(inner);
      element.textContent = inner;
      top().append(element);
      continue;
    }
    const element = openTag(name, value);
    top().append(element);
    stack.push({ name, element });
  }
  top().append(linked(rest));
  return root;
}

function openTag(name, value) {
  if (name === 'url') return link(value);
  if (name === 'quote') return document.createElement('blockquote');
  return document.createElement(TAGS[name] ?? 'span');
}

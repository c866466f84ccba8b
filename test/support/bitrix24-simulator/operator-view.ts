/**
 * What an operator sees of a text in a dialog, by the rules of the real code. Three readers change it one after the
 * other, and each undoes what the one before it left:
 *
 * 1. the message as the portal keeps it: `Bitrix\Im\V2\Message::setMessage` (yuliai/bitrix-modules, im/lib/V2/Message.php)
 *    and `Emoji::decode` (main/lib/text/emoji.php), at the way in (imconnector/lib/connectors/base.php);
 * 2. the portal, at the send and whenever the dialog is opened: `Bitrix\Im\Text::parse` (im/lib/text.php) around
 *    `CTextParser::convertText` (main/classes/general/textparser.php) with ANCHOR, TEXT_ANCHOR, EMOJI and HTML allowed;
 * 3. the web messenger: `im.v2.lib.parser` (yuriy-yarvinen/bitrix-1c-lesson, im/install/js/im/v2/lib/parser/src).
 *
 * Newer messengers also read Markdown where a feature switch is on; that is not here.
 */
export interface OperatorView {
  /** The words, tags gone; a picture made of a link reads as its address. A block (code, quote) has lines of its own. */
  text: string;
  links: { text: string; url: string }[];
  /** What is shown as code, block by block. */
  code: string[];
  quotes: SeenQuote[];
  /** The words under each style: `b`, `i`, `u`, `s`; `size`: `/loud`. */
  styles: { style: string; text: string }[];
}

/** A quote in a frame; a quote of `>>` lines has neither name nor time. */
export interface SeenQuote {
  text: string;
  name?: string;
  time?: string;
  /** The message that a click leads to: `chat12/345`. */
  context?: string;
}

/** Nobody can open the dialog any more: PHP recurses until it dies, or the operator's tab hangs. */
export class DialogKilled extends Error {
  constructor(
    readonly by: 'portal' | 'messenger',
    reason: string,
  ) {
    super(reason);
  }
}

/** The message as the portal keeps it. */
export function kept(text: string): string {
  return decodeEmoji(text)
    .replace(/\[BR\]|\[br\]|#BR#/g, '\n')
    .trim();
}

/** Throws {@link DialogKilled}; throws a TypeError where the messenger does, and shows nothing. */
export function seenByOperator(text: string): OperatorView {
  return look(shownByMessenger(parsedByPortal(kept(text))));
}

// The portal

const SCHEMES = 'https?|news|ftp|aim|mailto|file|tel|callto|skype|viber';
const ADDRESS = `(?:(?:${SCHEMES}):\\/\\/|www\\.)[._:a-z0-9@-]`;
/** `wordSeparator`: behind one of them an address is looked for. */
const SEPARATOR = '\\s.,;:!?#\\-*|\\[\\](){}';
const BRACKETS = [
  ['&lt;', '&gt;'],
  ['\\(', '\\)'],
  ['“', '”'],
  ['‘', '’'],
  ['«', '»'],
] as const;
const SIMPLE_URL = /\[url\](.*?)\[\/url\]/gi;
const NAMED_URL = /\[url\s*=\s*((?:[^[\]]|\[[^[\]]*\])+?)\s*\](.*?)\[\/url\]/gis;

/** `Im\Text::parse` */
function parsedByPortal(source: string): string {
  const put: string[] = [];
  const aside = (whole: string): string => `####REPLACEMENT_MARK_${put.push(whole) - 1}####`;
  let text = source
    .replace(/\[CODE\](.*?)\[\/CODE\]/gis, aside)
    .replace(/\[PUT(?:=(.+?))?\](.+?)?\[\/PUT\]/gi, aside)
    .replace(/\[SEND(?:=(.+?))?\](.+?)?\[\/SEND\]/gi, aside);
  text = convertText(text)
    .replaceAll(/<br \/>|#BR#|\[br\]/g, '\n')
    .replaceAll('&#169;', '(c)')
    .replaceAll('&#153;', '(tm)')
    .replaceAll('&#174;', '(r)')
    .replaceAll('&nbsp;', ' ')
    .replaceAll('&quot;', '"')
    .replaceAll('&#092;', '\\')
    .replaceAll('&#036;', '$')
    .replaceAll('&#33;', '!')
    .replaceAll('&#91;', '[')
    .replaceAll('&#93;', ']')
    .replaceAll('&#39;', "'")
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&#124;', '|')
    .replaceAll('&amp;', '&');
  return putBack(text, put);
}

/** `Text::recoverReplacements`: calls itself as long as a mark is left, also one that stands for nothing. */
function putBack(source: string, put: string[]): string {
  if (put.length === 0) return source;
  let text = source;
  for (let round = 0; round < 20; round++) {
    put.forEach((value, number) => {
      text = text.split(`####REPLACEMENT_MARK_${number}####`).join(value);
    });
    if (!text.includes('####REPLACEMENT_MARK_')) return text;
    if (text.length > 1e6) break;
  }
  throw new DialogKilled('portal', 'PHP recurses in Text::recoverReplacements.');
}

/** `CTextParser::convertText` as Text::parse sets it up. */
function convertText(source: string): string {
  let text = source.replace(/([?&;])PHPSESSID=([0-9a-z]{32})/gi, '$1PHPSESSID1=').replaceAll('\u00A0', ' ');
  const defended = new Map<string, string>();
  const defend = (tag: string): string => {
    const known = defended.get(tag);
    if (known !== undefined) return known;
    const place = `<\x18#${defended.size}  >`;
    defended.set(tag, place);
    return place;
  };
  text = text
    .replace(SIMPLE_URL, (_, url: string) => defend(`[url]${url}[/url]`))
    .replace(NAMED_URL, (_, url: string, label: string) =>
      defend(label === '' ? `[url]${url}[/url]` : `[url=${encodeBrackets(url)}]${label}[/url]`),
    );
  const bare = (url: string): string => defend(`[url=${encodeBrackets(url)}]${url}[/url]`);
  for (const [start, end] of BRACKETS)
    text = text.replace(new RegExp(`(?<=${start})(?<!\\[nomodify\\]|<nomodify>)${ADDRESS}.*?(?=${end})`, 'gisu'), bare);
  text = text
    .replace(
      new RegExp(`(?<=^|[${SEPARATOR}])(?<!\\[nomodify\\]|<nomodify>)${ADDRESS}.*?(?=[\\s"{}]|&quot;|$)`, 'gisu'),
      bare,
    )
    .replace(/<\/?nomodify>/gi, '');
  for (const [tag, place] of [...defended].toReversed()) text = text.split(place).join(tag);
  text = decodeEmoji(text)
    .replace(SIMPLE_URL, (_, url: string) => anchor(url, url))
    .replace(NAMED_URL, (_, url: string, label: string) => anchor(url, label || url));
  text = convertCuts(text)
    .replace(/\(c\)/gi, '&#169;')
    .replace(/\(tm\)/gi, '&#153;')
    .replace(/\(r\)/gi, '&#174;');
  return text.trim();
}

const encodeBrackets = (url: string): string => url.replaceAll('[', '%5B').replaceAll(']', '%5D');

/** `convert_anchor_tag` with the anchors of BBCode. */
function anchor(address: string, words: string): string {
  const bare = (value: string): string => value.replace(/\[\/?nomodify\]/g, '').trim();
  let url = bare(address);
  let label = bare(words) || url;
  const isSame = label === url;
  label = label.replaceAll('\\"', '"');
  const postfix = (isSame && /([.,?!;]|&#33;)$/.exec(url)?.[1]) || '';
  if (postfix !== '') {
    url = url.slice(0, -postfix.length);
    label = label.replace(/([.,?!;]|&#33;)$/, '');
  }
  url = url
    .replaceAll('&amp;', '&')
    .replace(/javascript:/gi, 'java script&#58; ')
    .replace(/[\f']/g, '%27')
    .replaceAll('&#91;', '[')
    .replaceAll('&#93;', ']');
  if (!url.startsWith('/') && !new RegExp(`^(?:${SCHEMES}):`, 'i').test(url)) url = `http://${url}`;
  label = label.replace(/&amp;/gi, '&').replace(/javascript:/gi, 'javascript&#58; ');
  return (url === label ? `[URL]${url}[/URL]` : `[URL=${url}]${label}[/URL]`) + postfix;
}

/** `[cut]` becomes HTML, which the messenger shows as it is. */
function convertCuts(source: string): string {
  if (!/\[cut/i.test(source)) return source;
  return source
    .replace(/\[cut([^\]]*)\]/gi, '\uE001$1\uE002')
    .replace(/\[\/cut\]/gi, '\uE003')
    .replace(
      /\uE001([^\uE002]*)\uE002([^\uE001\uE002\uE003]+)\uE003/g,
      (_, title: string, words: string) => `<table class="forum-spoiler"><thead>${title}</thead>${words}</table>`,
    )
    .replace(/\uE001([^\uE002]*)\uE002/g, '[cut$1]')
    .replaceAll('\uE003', '[/cut]');
}

/** `Emoji::decode`: eight hexadecimal digits that are a character of four bytes. */
function decodeEmoji(text: string): string {
  return text.replace(/:([a-f0-9]{8}):/gi, (whole, digits: string) => {
    const character = Buffer.from(digits, 'hex').toString('utf8');
    return /^[\u{10000}-\u{10FFFF}]$/u.test(character) ? character : whole;
  });
}

// The messenger

const LINE_BREAK = '<br />';
const encode = (text: string): string => text.replace(/[&<>"']/g, (one) => ENTITIES[one]!);
const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
const CHARACTERS: Readonly<Record<string, string>> = {
  ...Object.fromEntries(Object.entries(ENTITIES).map(([character, entity]) => [entity, character])),
  '&nbsp;': ' ',
};
const decode = (text: string): string => text.replace(/&(?:amp|lt|gt|quot|#39|nbsp);/g, (one) => CHARACTERS[one]!);

/** `Parser.decode` */
function shownByMessenger(source: string): string {
  const puts: string[] = [];
  const sends: string[] = [];
  const codes: string[] = [];
  const cut = (kind: string, list: string[]) => (whole: string) =>
    `####REPLACEMENT_${kind}_${list.push(whole) - 1}####`;
  let text = encode(source.trim())
    .replace(/\n|\[BR\]/gi, LINE_BREAK)
    .replace(/ {4}|\t/g, '&nbsp;'.repeat(4))
    .replace(/\[put(?:=(.+?))?](.+?)?\[\/put]/gi, cut('PUT', puts))
    .replace(/\[send(?:=(.+?))?](.+?)?\[\/send]/gi, cut('SEND', sends))
    .replace(/\[code](<br \/>)?(.*?)\[\/code]/gis, cut('CODE', codes));
  text = slashCommand(text);
  text = urls(text);
  text = fonts(text);
  text = text
    .replace(/\[like]|\[dislike]|\[rating=[1-5]]/gi, '<span>👍</span>')
    .replace(
      /\[USER=(\d+)( REPLACE)?](.*?)\[\/USER]/gi,
      (_, id: string, _replace, name: string) => name || `User ${id}`,
    )
    .replace(/\[chat=(imol\|)?(\d+)](.*?)\[\/chat]/gi, (_, _lines, id: string, name: string) => name || `Chat ${id}`)
    .replace(/\[context=((?:chat\d+|\d+:\d+)\/(\d+))](.*?)\[\/context]/gis, '$3');
  text = calls(text)
    .replace(/\[pch=(\d+)](.*?)\[\/pch]/gi, '')
    .replace(/\[icon=([^\]]*)]/gi, '<img class="icon">')
    .replace(/\[disk=\d+]/gi, '[File]')
    .replace(/\[timestamp=\d+\s+format=[_a-z]+]/gi, '<span>12:00</span>');
  text = framedQuotes(arrowQuotes(text));
  // Put back by String.replace, which reads `$$`, `$&`, "$`" and `$'` in what it puts.
  sends.forEach((value, number) => (text = text.split(`####REPLACEMENT_SEND_${number}####`).join(value)));
  text = text.replace(/\[SEND(?:=(.+?))?](.+?)?\[\/SEND]/gi, (_, command = '', words = command) => String(words));
  puts.forEach((value, number) => (text = text.replace(`####REPLACEMENT_PUT_${number}####`, value)));
  text = text.replace(/\[PUT(?:=(.+?))?](.+?)?\[\/PUT]/gi, (_, command = '', words = command) => String(words));
  codes.forEach((value, number) => (text = text.replace(`####REPLACEMENT_CODE_${number}####`, value)));
  sends.forEach((value, number) => (text = text.replaceAll(`####REPLACEMENT_SEND_${number}####`, value)));
  text = text.replace(
    /\[code](<br \/>)?([\s\S]*?)\[\/code](<br \/>)?/gi,
    (_, _break, code: string) => `<div data-code="">${code}</div>`,
  );
  if (puts.length > 0) text = recurse(text, puts);
  return text.endsWith(LINE_BREAK) ? text.slice(0, -LINE_BREAK.length) : text;
}

/** `recoverRecursionTag`: goes on as long as a mark is left. */
function recurse(source: string, puts: string[]): string {
  let text = source;
  for (let round = 0; round < 20; round++) {
    puts.forEach((value, number) => (text = text.replace(`####REPLACEMENT_PUT_${number}####`, value)));
    if (!text.includes('####REPLACEMENT_PUT_')) return text;
  }
  throw new DialogKilled('messenger', "The operator's tab hangs in NestedTagHandler.recoverRecursionTag.");
}

function slashCommand(text: string): string {
  if (text.startsWith('/me')) return `[i]${text.slice(4)}[/i]`;
  if (text.startsWith('/loud')) return `[size=20]${text.slice(6)}[/size]`;
  return text;
}

/** `checkUrl`: what does not begin with one of these, in small letters, is no link. */
function opens(url: string): boolean {
  if (!/^(?:\/|https?:|ftp:|file:|tel:|callto:|mailto:|skype:|viber:)/.test(url)) return false;
  return URL.canParse(url, 'https://portal.example/');
}

function urls(source: string): string {
  const link = (url: string, words: string): string => `<a href="${encode(url)}">${words}</a>`;
  return source
    .replace(/\[url(?:=([^[\]]+))?](.*?)\[\/url]/gis, (_, target: string | undefined, words: string) => {
      const url = decode(target ?? words);
      return opens(url) ? link(url, words) : words;
    })
    .replace(/\[url(?:=(.+?[^[\]]))?](.*?)\[\/url]/gis, (_, target: string | undefined, words: string) => {
      const url = decode(target ?? words);
      return opens(url) ? link(url, words) : words;
    });
}

function fonts(source: string): string {
  let text = source;
  for (const name of ['b', 'u', 'i', 's']) {
    const pair = new RegExp(`\\[${name}]([^[]*(?:\\[(?!${name}]|\\/${name}])[^[]*)*)\\[\\/${name}]`, 'gi');
    text = repeated(text, pair, (_, words: string) => `<${name}>${words}</${name}>`);
  }
  text = repeated(
    text,
    /\[size=(\d+)(?:pt|px)?](.*?)\[\/size]/gis,
    (_, _size, words: string) => `<size>${words}</size>`,
  );
  return repeated(
    text,
    /\[color=#([0-9a-f]{3}|[0-9a-f]{6})](.*?)\[\/color]/gis,
    (_, _color, words: string) => `<color>${words}</color>`,
  );
}

/** `recursiveReplace`: at most eleven rounds. */
function repeated(source: string, pattern: RegExp, put: (...match: string[]) => string): string {
  let text = source;
  for (let round = 0; round <= 10; round++) {
    const next = text.replace(pattern, put);
    if (next === text) break;
    text = next;
  }
  return text;
}

/** Without a number the messenger calls a method that is not there. */
function calls(source: string): string {
  return source.replace(
    /\[call(?:=([\d #()+./-]+))?](.+?)\[\/call]/gi,
    (_, number: string | undefined, words: string) => {
      if (number === undefined) throw new TypeError('getUtils.call.isNumber is not a function');
      return words;
    },
  );
}

function arrowQuotes(source: string): string {
  const sign = '&gt;&gt;';
  const lines = source.split(LINE_BREAK);
  return lines
    .map((line, index) => {
      if (!line.startsWith(sign)) return line;
      const opens = !lines[index - 1]?.startsWith(sign);
      const closes = !lines[index + 1]?.startsWith(sign);
      return `${opens ? '<div data-quote="">' : ''}${line.slice(sign.length)}${closes ? '</div>' : ''}`;
    })
    .join(LINE_BREAK);
}

function framedQuotes(source: string): string {
  return source.replace(
    /-{54}(<br \/>(.*?)\[(.*?)]( #(?:chat\d+|\d+:\d+)\/\d+)?)?<br \/>(.*?)-{54}(<br \/>)?/gs,
    (_, _user, name = '', time = '', context = '', words: string) => {
      const isNamed = name !== '' && time !== '';
      const body = (isNamed ? '' : words === '' ? String(time) : '') + words.replace(/<br \/>$/, '');
      const head = isNamed ? ` data-name="${String(name).trim()}" data-time="${String(time).trim()}"` : '';
      return `<div data-quote=""${head} data-context="${String(context).trim().slice(1)}">${body}</div>`;
    },
  );
}

// The eye

/** Reads what the messenger has made, as a browser shows it. */
function look(html: string): OperatorView {
  const view: OperatorView = { text: '', links: [], code: [], quotes: [], styles: [] };
  const open: { tag: string; start: number; attributes: Readonly<Record<string, string>> }[] = [];
  const newLine = (): void => {
    if (view.text !== '' && !view.text.endsWith('\n')) view.text += '\n';
  };
  let blockEnded = false;
  for (const [token] of html.matchAll(/<[^>]*>|[^<]+/g)) {
    const [, slash, tag = ''] = /^<(\/?)(\w+)/.exec(token) ?? [];
    if (tag === '' || (blockEnded && slash !== '/')) {
      if (blockEnded) newLine();
      blockEnded = false;
    }
    if (tag === '') view.text += decode(token);
    else if (tag === 'br') view.text += '\n';
    else if (slash === '') {
      if (tag === 'div') newLine();
      if (tag !== 'img') open.push({ tag, start: view.text.length, attributes: attributesOf(token) });
    } else {
      const index = open.findLastIndex((one) => one.tag === tag);
      const [element] = index === -1 ? [] : open.splice(index, 1);
      if (!element) continue;
      note(view, element.tag, element.attributes, view.text.slice(element.start));
      if (tag === 'div') blockEnded = true;
    }
  }
  return view;
}

function note(view: OperatorView, tag: string, attributes: Readonly<Record<string, string>>, text: string): void {
  if (tag === 'a') view.links.push({ text, url: attributes['href'] ?? '' });
  else if ('data-code' in attributes) view.code.push(text);
  else if ('data-quote' in attributes) {
    const { 'data-name': name, 'data-time': time, 'data-context': context } = attributes;
    view.quotes.push({ text, ...(name ? { name, time } : {}), ...(context ? { context } : {}) });
  } else if (tag !== 'span' && tag !== 'color') view.styles.push({ style: tag, text });
}

function attributesOf(token: string): Record<string, string> {
  return Object.fromEntries(
    [...token.matchAll(/([\w-]+)="([^"]*)"/g)].map(([, name, value]) => [name!, decode(value!)]),
  );
}

/** An operator's message that begins with a quote of another one. */
export interface QuotedAnswer {
  /** Of the quoted message, where the quote names it (`#chat12/345`). */
  bitrixMessageId?: string;
  /** The quoted words, as BBCode. */
  words: string;
  /** What the operator wrote himself, as BBCode. */
  rest: string;
}

const LINE_BREAK = /\[br *\/?\]|#BR#|\r\n?/gi;
/** The messenger frames a quotation in two lines of 54 dashes (apidocs.bitrix24.com, chats/messages/formatting). */
const FRAMED = /^-{54}\n([\s\S]*?)\n-{54}(?:\n|$)/;
/** `Name [date] #chat12/345`; the reference may be missing or stand on the next line. */
const HEADER = /^[^\n]*\[[^\]\n]+\](?:[ \n]#[\w-]+\/\d+)?$/;
const REFERENCE = /#[\w-]+\/(\d+)/;
const QUOTE_LINES = /^(?:(?:>>|&gt;&gt;)[^\n]*(?:\n|$))+/;

/** Reads the quote at the very start of a message; null when there is none, or nothing but the quote. */
export function parseQuotedAnswer(text: string): QuotedAnswer | null {
  const lines = text.replace(LINE_BREAK, '\n').trimStart();
  const framed = FRAMED.exec(lines);
  if (framed) return answer(quotation(framed[1]!), lines.slice(framed[0].length));
  const marked = QUOTE_LINES.exec(lines);
  if (!marked) return null;
  return answer({ words: marked[0].replace(/^(?:>>|&gt;&gt;) ?/gm, '').trim() }, lines.slice(marked[0].length));
}

/** Without the header that says who wrote it, when. */
function quotation(block: string): Omit<QuotedAnswer, 'rest'> {
  const [first = '', second = '', ...others] = block.split('\n');
  if (!HEADER.test(first)) return { words: block.trim() };
  const isReference = /^#[\w-]+\/\d+$/.test(second.trim());
  const id = (REFERENCE.exec(first) ?? (isReference ? REFERENCE.exec(second) : null))?.[1];
  const words = (isReference ? others : [second, ...others]).join('\n').trim();
  return { words, ...(id && { bitrixMessageId: id }) };
}

function answer(quote: Omit<QuotedAnswer, 'rest'>, rest: string): QuotedAnswer | null {
  return rest.trim() === '' ? null : { ...quote, rest: rest.trim() };
}

import { h, type FunctionalComponent, type VNode } from 'vue';
import type { Mark } from './words.js';

type Piece = string | VNode;

/**
 * Formatted text as elements: nothing in it is ever HTML. Links lead only to the web, to mail and to telephones, and
 * tell the other side nothing of where they stood; of others the address can be read.
 */
export const RichText: FunctionalComponent<{ text: string; marks?: readonly Mark[] | undefined }> = ({
  text,
  marks,
}) => {
  const sorted = [...(marks ?? [])].sort((a, b) => a.offset - b.offset || b.length - a.length);
  return pieces(text, sorted, 0, text.length);
};
RichText.props = ['text', 'marks'];

/** Marks are nested properly; what is not is clipped to the mark around it. */
function pieces(text: string, marks: Mark[], from: number, to: number): Piece[] {
  const result: Piece[] = [];
  let at = from;
  for (let index = 0; index < marks.length;) {
    const mark = marks[index]!;
    const start = Math.max(mark.offset, at);
    const end = Math.min(mark.offset + mark.length, to);
    let next = index + 1;
    while (next < marks.length && marks[next]!.offset < end) next += 1;
    if (end > start) {
      if (start > at) result.push(...withLinks(text.slice(at, start)));
      result.push(element(mark, pieces(text, marks.slice(index + 1, next), start, end)));
      at = end;
    }
    index = next;
  }
  if (at < to) result.push(...withLinks(text.slice(at, to)));
  return result;
}

function element(mark: Mark, content: Piece[]): VNode {
  switch (mark.type) {
    case 'bold':
      return h('strong', content);
    case 'italic':
      return h('em', content);
    case 'underline':
      return h('u', content);
    case 'strikethrough':
      return h('s', content);
    case 'spoiler':
      return h('span', { class: 'rounded bg-line px-0.5' }, content);
    case 'code':
      return h('code', { class: 'rounded bg-raised px-1 font-mono text-[0.92em]' }, content);
    case 'pre':
      return h('pre', { class: 'my-1 overflow-x-auto rounded-lg bg-raised p-2 font-mono text-xs' }, content);
    case 'quote':
      return h('blockquote', { class: 'border-l-2 border-strong pl-2' }, content);
    case 'link':
      return link(mark.url ?? '', content);
  }
}

function link(address: string, content: Piece[]): VNode {
  if (!/^(?:https?:|mailto:|tel:)/i.test(address)) return h('span', { title: address }, content);
  const attributes = { href: address, target: '_blank', rel: 'noopener noreferrer', title: address };
  return h(
    'a',
    { ...attributes, class: 'text-strong underline', onClick: (event: Event) => event.stopPropagation() },
    content,
  );
}

const ADDRESS = /https?:\/\/[^\s<>"«»]+[^\s<>"«».,;:!?)\]]/g;

function withLinks(text: string): Piece[] {
  const result: Piece[] = [];
  let at = 0;
  for (const { 0: address, index } of text.matchAll(ADDRESS)) {
    result.push(text.slice(at, index), link(address, [address]));
    at = index + address.length;
  }
  result.push(text.slice(at));
  return result;
}

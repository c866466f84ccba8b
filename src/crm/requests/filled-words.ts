import { toBBCode } from '../../connector/markup/bbcode.writer.js';
import { normalise, type Mark, type RichText } from '../../relay/rich-text.js';
import {
  fillPlaceholders,
  placeholdersIn,
  type NamedClient,
  type Placeholder,
} from '../../storage/intake/client-placeholders.js';
import type { Button, ButtonKeyboard } from '../../storage/work/keyboard.js';

/** Words with {first_name} and {name}, and what stands under them. */
export interface PersonalWords {
  words: RichText;
  keyboard?: ButtonKeyboard | null | undefined;
}

/** The same for this client. A name is a name, whatever looks like markup in it. */
export function filledWords<Said extends PersonalWords>(said: Said, client: NamedClient): Said {
  const { words, keyboard } = said;
  const places = placeholdersIn(words.text, client);
  const marks = words.marks.map((mark) => ({
    ...moved(mark, places),
    ...(mark.url && { url: filledUrl(mark.url, client) }),
  }));
  const filled = normalise({ text: fillPlaceholders(words.text, client), marks });
  if (!keyboard) return { ...said, words: filled };
  return {
    ...said,
    words: filled,
    keyboard: { ...keyboard, rows: keyboard.rows.map((row) => row.map((button) => filledButton(button, client))) },
  };
}

/** BBCode for this client, to be changed before it is sent. */
export function filledBBCode(text: string, { firstName, title }: NamedClient): string {
  const asWritten = (name: string) => toBBCode({ text: name, marks: [] });
  return fillPlaceholders(text, {
    firstName: firstName === null ? null : asWritten(firstName),
    title: asWritten(title),
  });
}

function filledButton(button: Button, client: NamedClient): Button {
  const text = fillPlaceholders(button.text, client);
  if (button.action === 'open') return { ...button, text, url: filledUrl(button.url, client) };
  return 'value' in button ? { ...button, text, value: fillPlaceholders(button.value, client) } : { ...button, text };
}

function filledUrl(url: string, { firstName, title }: NamedClient): string {
  const encoded = {
    firstName: firstName === null ? null : encodeURIComponent(firstName),
    title: encodeURIComponent(title),
  };
  return fillPlaceholders(url.replace(/%7B(first_name|name)%7D/gi, '{$1}'), encoded);
}

/** A mark over what the places are filled with. */
function moved(mark: Mark, places: Placeholder[]): Mark {
  const start = movedTo(mark.offset, places);
  return { ...mark, offset: start, length: movedTo(mark.offset + mark.length, places) - start };
}

/** Inside a place: its start. */
function movedTo(position: number, places: Placeholder[]): number {
  let to = position;
  for (const { offset, length, value } of places) {
    if (offset + length <= position) to += value.length - length;
    else if (offset < position) to -= position - offset;
  }
  return to;
}

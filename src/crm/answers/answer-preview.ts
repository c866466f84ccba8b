import { readOperatorWords } from '../../connector/events/operator-words.parser.js';
import type { AnswerPreview } from './answers.dto.js';

/** How a client sees a text that an operator, or a ready answer, writes in BBCode. Placeholders stay. */
export function previewOf(text: string): AnswerPreview {
  const { words, keyboard } = readOperatorWords(text);
  return {
    text: words.text,
    marks: words.marks,
    buttons: (keyboard?.rows ?? []).map((row) => row.map(({ text: label, action }) => ({ text: label, action }))),
  };
}

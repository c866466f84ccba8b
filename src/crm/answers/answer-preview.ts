import { setImmediate as afterOthers } from 'node:timers/promises';
import { Semaphore } from '../../common/semaphore.js';
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

/** For so long one turn keeps everything else waiting; milliseconds. */
const TURN_MS = 10;
const oneListAtATime = new Semaphore(1);

/**
 * What `show` makes of each, in their order. A list of long answers takes seconds to be read: everything else in the
 * process, such as messages and the leases of its bots, goes on in between, however many lists are asked for.
 */
export function inTurns<Item, Shown>(items: Item[], show: (item: Item) => Shown): Promise<Shown[]> {
  return oneListAtATime.run(async () => {
    const shown: Shown[] = [];
    let begun = performance.now();
    for (const item of items) {
      shown.push(show(item));
      if (performance.now() - begun < TURN_MS) continue;
      await afterOthers();
      begun = performance.now();
    }
    return shown;
  });
}

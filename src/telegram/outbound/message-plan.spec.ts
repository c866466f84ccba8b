import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { plain } from '../../relay/rich-text.js';
import type { MediaKind } from './media-kind.js';
import { captionOf, planMessage, textsOf, type Heading, type MessageToPlan, type PlannedCall } from './message-plan.js';

function plan(words: string, kinds: MediaKind[], options: Partial<MessageToPlan> = {}): PlannedCall[] {
  const files = kinds.map((kind, ordinal) => ({ ordinal, kind }));
  return planMessage({
    words: plain(words),
    heading: null,
    attached: kinds.length,
    files,
    sent: new Set(),
    ...options,
  });
}

/** A plan in short: `text:3`, `photo(caption)`, `photo+video`. */
function short(calls: PlannedCall[], files: MediaKind[]): string[] {
  return calls.map((call) => {
    if (call.type === 'text') return `text:${call.words.text.length}`;
    const kinds = call.parts.map((part) => files[part]).join('+');
    return call.caption ? `${kinds}(${call.caption.text.length})` : kinds;
  });
}

const KINDS: MediaKind[] = ['photo', 'video', 'animation', 'voice', 'audio', 'document'];
const FAMILY: Record<MediaKind | 'text', string> = {
  photo: 'seen',
  video: 'seen',
  audio: 'heard',
  document: 'read',
  animation: 'alone',
  voice: 'alone',
  text: 'alone',
};
const SAMUEL: Heading = { line: 'Samuel:' };

describe('the plan of a message', () => {
  it.each<{ name: string; words: string; kinds: MediaKind[]; calls: string[] }>([
    { name: 'words alone', words: 'abc', kinds: [], calls: ['text:3'] },
    { name: 'nothing at all', words: ' \n', kinds: [], calls: [] },
    { name: 'a file alone', words: '', kinds: ['voice'], calls: ['voice'] },
    { name: 'short words under a file', words: 'abc', kinds: ['photo'], calls: ['photo(3)'] },
    { name: 'the longest caption', words: 'a'.repeat(1024), kinds: ['photo'], calls: ['photo(1024)'] },
    { name: 'words too long for a caption', words: 'a'.repeat(1025), kinds: ['photo'], calls: ['text:1025', 'photo'] },
    { name: 'photos and videos', words: 'abc', kinds: ['photo', 'video', 'photo'], calls: ['photo+video+photo(3)'] },
    {
      name: 'what does not stand together',
      words: '',
      kinds: ['photo', 'document', 'document', 'audio', 'audio', 'photo'],
      calls: ['photo', 'document+document', 'audio+audio', 'photo'],
    },
    {
      name: 'what stands alone',
      words: '',
      kinds: ['voice', 'voice', 'animation', 'animation'],
      calls: ['voice', 'voice', 'animation', 'animation'],
    },
    {
      name: 'more than ten',
      words: 'abc',
      kinds: Array<MediaKind>(11).fill('document'),
      calls: [`${Array(10).fill('document').join('+')}(3)`, 'document'],
    },
  ])('$name', ({ words, kinds, calls }) => {
    expect(short(plan(words, kinds), kinds)).toEqual(calls);
  });

  it('gives the caption to the first file that can be sent, and makes it a text when there is none', () => {
    const rest = { attached: 2, files: [{ ordinal: 1, kind: 'photo' as const }] };
    expect(plan('abc', [], rest)).toEqual([{ type: 'files', parts: [1], caption: { text: 'abc', marks: [] } }]);
    expect(plan('abc', [], { attached: 2 })).toEqual([{ type: 'text', parts: [2], words: { text: 'abc', marks: [] } }]);
  });

  it('sends the words before the files when Telegram does not take them for a caption', () => {
    expect(short(plan('abc', ['photo', 'photo'], { captioned: false }), ['photo', 'photo'])).toEqual([
      'text:3',
      'photo+photo',
    ]);
  });

  it('does not go back to a file that was left out before one that was sent', () => {
    expect(plan('abc', ['photo', 'photo', 'photo'], { sent: new Set([1]) })).toMatchObject([
      { type: 'files', parts: [2], caption: null },
    ]);
  });

  it('goes on behind what was sent, wherever it stopped', () => {
    const scenario = fc.record({
      words: fc.string({ minLength: 0, maxLength: 6000, unit: 'grapheme' }),
      kinds: fc.array(fc.constantFrom(...KINDS), { maxLength: 24 }),
      heading: fc.constantFrom(null, SAMUEL),
    });
    fc.assert(
      fc.property(scenario, ({ words, kinds, heading }) => {
        const whole = plan(words, kinds, { heading });
        for (let done = 0; done <= whole.length; done++) {
          const sent = new Set(whole.slice(0, done).flatMap(({ parts }) => parts));
          expect(plan(words, kinds, { heading, sent })).toEqual(whole.slice(done));
        }
      }),
      { numRuns: 60 },
    );
  });

  it('keeps the order and every limit', () => {
    const scenario = fc.record({
      words: fc.string({ maxLength: 9000, unit: 'grapheme' }),
      kinds: fc.array(fc.constantFrom(...KINDS), { maxLength: 24 }),
      line: fc.string({ maxLength: 300, unit: 'grapheme' }),
    });
    fc.assert(
      fc.property(scenario, ({ words, kinds, line }) => {
        const calls = plan(words, kinds, { heading: { line } });
        const parts = calls.flatMap((call) => call.parts);
        const texts = parts.filter((part) => part >= kinds.length);
        expect(parts).toEqual([...texts, ...kinds.keys()]);
        expect(calls.filter((call) => call.type !== 'text' && call.caption).length).toBeLessThanOrEqual(1);
        for (const call of calls) {
          if (call.type === 'text') expect(call.words.text.length).toBeLessThanOrEqual(4096);
          else expect(call.caption?.text.length ?? 0).toBeLessThanOrEqual(1024);
          expect(call.parts.length).toBeGreaterThanOrEqual(1);
          expect(call.parts.length).toBeLessThanOrEqual(10);
          const family = new Set(call.parts.map((part) => FAMILY[kinds[part] ?? 'text']));
          expect(family.size).toBe(1);
          if (call.parts.length > 1) expect([...family][0]).not.toBe('alone');
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe('the line with the name', () => {
  it('stands once, before the first words', () => {
    const texts = textsOf(plain('x'.repeat(5000)), SAMUEL).map(({ text }) => text);
    expect(texts.map((text) => text.startsWith('Samuel:\n'))).toEqual([true, false]);
    expect(captionOf(plain('hello'), SAMUEL)?.text).toBe('Samuel:\nhello');
  });

  it('does not decide where a text is cut: it may be known in one attempt and not in the next', () => {
    const words = plain(Array.from({ length: 1500 }, (_, index) => `word${index}`).join(' '));
    const cuts = ['', 'A:', 'Very long name '.repeat(30)].map((line) =>
      textsOf(words, { line })
        .slice(1)
        .map(({ text }) => text),
    );
    expect(cuts[1]).toEqual(cuts[0]);
    expect(cuts[2]).toEqual(cuts[0]);
    for (const line of ['', 'A:', 'n'.repeat(500)]) {
      expect(captionOf(plain('a'.repeat(896)), { line })).not.toBeNull();
      expect(captionOf(plain('a'.repeat(897)), { line })).toBeNull();
    }
  });

  it('stands before words only', () => {
    expect(captionOf(plain(''), SAMUEL)?.text).toBe('');
    expect(textsOf(plain(''), SAMUEL)).toEqual([]);
  });
});

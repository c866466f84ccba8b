import { describe, expect, it } from 'vitest';
import type { Operator } from '../../relay/operator-directory.js';
import { concat, plain, withMark, type RichText } from '../../relay/rich-text.js';
import { headingOf, withoutName } from './operator-name.js';

type Chat = Parameters<typeof headingOf>[0];
type Message = Parameters<typeof headingOf>[1];

const SAMANTHA: Operator = { firstName: 'Samantha', lastName: 'Johnson', position: 'Sales' };

function heading(
  chat: Partial<Chat>,
  operator: Operator | 'hidden' | null = SAMANTHA,
  message: Partial<Message> = {},
): ReturnType<typeof headingOf> {
  const asked = { operatorName: 'name', operatorNameTemplate: null, portalId: 1n, lineId: '7', ...chat } as Chat;
  const said = { authorId: '27', authorName: null, bitrixLineId: null, ...message } as Message;
  return headingOf(asked, said, { operatorOnLine: async () => operator });
}

describe('the line with the operator’s name', () => {
  it('is there only where the line wants it and somebody speaks', async () => {
    expect(await heading({ operatorName: 'hidden' })).toBeNull();
    expect(await heading({}, 'hidden', { authorName: 'Sam' })).toBeNull();
    expect(await heading({}, SAMANTHA, { authorId: '0' })).toBeNull();
    expect(await heading({}, SAMANTHA, { authorId: null })).toBeNull();
    expect(await heading({})).toEqual({ line: 'Samantha Johnson:' });
    expect(await heading({}, { ...SAMANTHA, lastName: '' })).toEqual({ line: 'Samantha:' });
  });

  it('is filled in from the template', async () => {
    const fromTemplate = (operatorNameTemplate: string | null, operator: Operator | null = SAMANTHA) =>
      heading({ operatorName: 'template', operatorNameTemplate }, operator, { authorName: 'Sam' });
    expect(await fromTemplate('{first_name} ({position}), {last_name}: {unknown}')).toEqual({
      line: 'Samantha (Sales), Johnson: {unknown}',
    });
    expect(await fromTemplate('— {name}\n')).toEqual({ line: '— Samantha Johnson' });
    expect(await fromTemplate(null)).toEqual({ line: 'Samantha Johnson:' });
    expect(await fromTemplate('{first_name}{last_name}:', null)).toEqual({ line: 'Sam:' });
  });

  it('does without the portal: the name of the event, or none, in the room that is kept for it', async () => {
    expect(await heading({}, null, { authorName: 'Sam' })).toEqual({ line: 'Sam:' });
    expect(await heading({ portalId: null }, SAMANTHA, { authorName: 'Sam' })).toEqual({ line: 'Sam:' });
    expect(await heading({}, null)).toEqual({ line: '' });
  });
});

describe('a first line with the name of the author', () => {
  const bold = (name: string, ...rest: string[]) => concat(withMark(`${name}:`, 'bold'), ...rest);
  const left = async (
    words: RichText,
    {
      operator = SAMANTHA,
      authorId = '27',
      portalId = 1n,
      onLine = null,
    }: {
      operator?: Operator | null;
      authorId?: string | null;
      portalId?: bigint | null;
      onLine?: Operator | 'hidden' | null;
    } = {},
  ) => {
    const operators = { operator: async () => operator, operatorOnLine: async () => onLine };
    const message = { authorId, bitrixLineId: '7' } as Message;
    return (await withoutName(words, { portalId } as Chat, message, operators)).text;
  };

  it.each([
    ['of 2026', bold('Samantha Johnson', ' \nhello'), 'hello'],
    ['of before, and of changes', bold('Samantha Johnson', '\n hello'), 'hello'],
    ['before files', bold('Samantha Johnson', ' '), ''],
    ['in another order', bold('Johnson, Samantha', ' \nhello'), 'hello'],
    ['once', bold('Samantha Johnson', ' \n', 'Samantha Johnson:\nhello'), 'Samantha Johnson:\nhello'],
  ])('goes: %s', async (_, words, expected) => {
    expect(await left(words)).toBe(expected);
  });

  it('goes: as the line calls the author', async () => {
    const onLine = { firstName: 'Support', lastName: '', position: '' };
    expect(await left(bold('Support', ' \nhello'), { onLine })).toBe('hello');
    expect(await left(bold('Samantha Johnson', ' \nhello'), { onLine: 'hidden' })).toBe('hello');
  });

  it('stays where it is no name of the author, or nobody knows that', async () => {
    const named = bold('Samantha Johnson', ' \nhello');
    const kept = async (words: RichText, who?: Parameters<typeof left>[1]) =>
      expect(await left(words, who)).toBe(words.text);
    await kept(bold('Total', '\n5'));
    await kept(bold('Samantha', '\nhello'));
    await kept(bold('Samantha Johnson', ' hello'));
    await kept(plain('Samantha Johnson:\nhello'));
    await kept(concat(withMark('Samantha', 'bold'), ' Johnson:\nhello'));
    await kept(named, { operator: null });
    await kept(named, { authorId: '0' });
    await kept(named, { authorId: null });
    await kept(named, { portalId: null });
    await kept(bold('', '\nhello'), { operator: { firstName: '', lastName: '', position: '' } });
  });

  it('is all that the portal is asked for', async () => {
    let asked = 0;
    const operators = {
      operator: async () => {
        asked++;
        return SAMANTHA;
      },
      operatorOnLine: async () => SAMANTHA,
    };
    await withoutName(plain('hello'), { portalId: 1n } as Chat, { authorId: '27' } as Message, operators);
    expect(asked).toBe(0);
  });
});

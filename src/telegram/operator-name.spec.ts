import { describe, expect, it } from 'vitest';
import type { Operator } from '../relay/operator-side.js';
import { headingOf } from './operator-name.js';

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

import { afterEach, expect, it, vi } from 'vitest';
import { openPanel, type PanelAnswer } from './panel.js';
import { speaker } from './texts.js';

afterEach(() => void vi.unstubAllGlobals());

it('sends with a key also where the page came by plain http, without crypto.randomUUID', async () => {
  const keys: string[] = [];
  vi.stubGlobal('document', { baseURI: 'http://bridge.local/b24/placements/chat', documentElement: { lang: 'en' } });
  vi.stubGlobal('crypto', { getRandomValues: crypto.getRandomValues.bind(crypto) });
  vi.stubGlobal('fetch', async (request: Request) => {
    keys.push(((await request.json()) as { key: string }).key);
    return Response.json({ messageId: '1', isRepeated: false });
  });
  const panel = openPanel(
    { session: 's', portalOrigin: 'http://portal.local', state: { chat: null, answers: [] } },
    speaker('en'),
  );
  const answer = { id: '7', changedAt: '2026-01-01T00:00:00.000Z' } as PanelAnswer;
  await panel.send(answer);
  await panel.send(answer);
  expect([panel.sent, panel.sending, panel.problem]).toEqual([['7', '7'], '', '']);
  expect(keys).toEqual([expect.stringMatching(/^[\w-]{16,64}$/), expect.stringMatching(/^[\w-]{16,64}$/)]);
  expect(keys[0]).not.toBe(keys[1]);
});

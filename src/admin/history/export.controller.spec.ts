import { expect, it } from 'vitest';
import { fileName } from './export.controller.js';

it('an exported file is named after what is in it', () => {
  const now = new Date('2026-11-22T10:00:00Z');
  const query = { format: 'csv', chat: '5', bot: '3', from: '2026-01-01', to: '2026-02-01T12:00:00Z' } as const;
  expect(fileName(query, 1n, now)).toBe(
    'messages-portal-1-bot-3-chat-5-from-2026-01-01-to-2026-02-01-exported-2026-11-22.csv',
  );
  expect(fileName({ format: 'ndjson' }, undefined, now)).toBe('messages-exported-2026-11-22.ndjson');
});

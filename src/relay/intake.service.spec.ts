import { expect, it } from 'vitest';
import { IntakeService } from './intake.service.js';
import { RelayEvents } from './relay-events.js';

it('tells of polled updates that could not be committed, once for each poll', async () => {
  const events = new RelayEvents();
  let refused = 0;
  events.on('refused', () => refused++);
  const away = { acceptUpdates: () => Promise.reject(new Error('the database is away')) };
  const intake = new IntakeService(away as never, events);
  const poll = { botId: 1n, lease: { endpoint: 'bot:1', owner: 'me', fence: 1n }, nextOffset: 43n };
  await expect(intake.acceptPolledUpdates([], poll)).rejects.toThrow('the database is away');
  await expect(intake.acceptPolledUpdates([], poll)).rejects.toThrow('the database is away');
  expect(refused).toBe(2);
});

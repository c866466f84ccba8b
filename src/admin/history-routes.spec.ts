import type { ExecutionContext } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { describe, expect, it } from 'vitest';
import type { ErasureService } from '../relay/erasure.service.js';
import type { ErasuresRepository } from '../storage/erasures.repository.js';
import type { HistoryRepository, MessageFilter } from '../storage/history.repository.js';
import { requirementOf, type Caller } from './caller.js';
import { ErasuresController } from './erasures.controller.js';
import { ExportController, fileName } from './export.controller.js';
import type { ExportService } from './export.service.js';
import { PortalsController } from './portals.controller.js';
import { StatisticsController } from './statistics.controller.js';

const limited = (portalId: bigint | null): Caller => ({ name: 'key', role: 'owner', portalId });

it.each([
  ['GET', ExportController, 'messages', 'read_only'],
  ['GET', StatisticsController, 'over', 'read_only'],
  ['PATCH', PortalsController, 'change', 'owner'],
  ['POST', ErasuresController, 'erase', 'owner'],
  ['GET', ErasuresController, 'list', 'owner'],
] as const)('%s %o.%s asks for the role %s', (method, controller, handler, role) => {
  const context = {
    getClass: () => controller,
    getHandler: () => (controller.prototype as unknown as Record<string, unknown>)[handler],
    switchToHttp: () => ({ getRequest: () => ({ method }) }),
  } as unknown as ExecutionContext;
  expect(requirementOf(context)).toEqual({ role, everyPortal: false });
});

describe('a key that is limited to a portal', () => {
  it('exports that portal alone', () => {
    const asked: MessageFilter[] = [];
    const exports = { messages: (filter: MessageFilter) => void asked.push(filter) } as unknown as ExportService;
    const reply = { type: () => reply, header: () => reply, send: () => reply } as unknown as FastifyReply;
    const controller = new ExportController(exports);
    controller.messages({ format: 'csv' }, limited(1n), reply);
    controller.messages({ format: 'csv', portal: '1' }, limited(1n), reply);
    controller.messages({ format: 'csv' }, limited(null), reply);
    expect(asked.map(({ portalId }) => portalId)).toEqual([1n, 1n, undefined]);
    expect(() => controller.messages({ format: 'csv', portal: '2' }, limited(1n), reply)).toThrow('No portal');
  });

  it('changes and erases nothing of others', async () => {
    const chat = { externalId: 'tg:1', portalId: 2n };
    const history = { chat: () => Promise.resolve(chat) } as unknown as HistoryRepository;
    const erased: bigint[] = [];
    const service = { erase: (id: bigint) => (erased.push(id), Promise.resolve(null)) } as unknown as ErasureService;
    const controller = new ErasuresController(history, null as never, service);
    const erase = (caller: Caller) =>
      controller.erase(5n, { confirm: 'tg:1' }, caller, { ip: '::1' } as FastifyRequest);
    await expect(erase(limited(1n))).rejects.toMatchObject({ status: 404 });
    expect(erased).toEqual([]);
    await expect(erase(limited(2n))).rejects.toMatchObject({ status: 404 });
    expect(erased).toEqual([5n]);
    const portals = new PortalsController(null as never, null as never, null as never, null as never);
    await expect(portals.change(2n, { retentionDays: 1 }, limited(1n))).rejects.toMatchObject({ status: 404 });
  });

  it('sees the receipts of that portal alone', async () => {
    const asked: unknown[] = [];
    const receipts = {
      list: (_: number, filter: { portalId?: bigint }) => (asked.push(filter.portalId), Promise.resolve([])),
    } as unknown as ErasuresRepository;
    const controller = new ErasuresController(null as never, receipts, null as never);
    await controller.list({ limit: 10 }, limited(1n));
    await controller.list({ limit: 10 }, limited(null));
    expect(asked).toEqual([1n, undefined]);
    await expect(controller.list({ limit: 10, portal: '2' }, limited(1n))).rejects.toMatchObject({ status: 404 });
  });
});

it('an exported file is named after what is in it', () => {
  const now = new Date('2026-11-22T10:00:00Z');
  const query = { format: 'csv', chat: '5', bot: '3', from: '2026-01-01', to: '2026-02-01T12:00:00Z' } as const;
  expect(fileName(query, 1n, now)).toBe(
    'messages-portal-1-bot-3-chat-5-from-2026-01-01-to-2026-02-01-exported-2026-11-22.csv',
  );
  expect(fileName({ format: 'ndjson' }, undefined, now)).toBe('messages-exported-2026-11-22.ndjson');
});

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { RestClient } from '../../src/bitrix/rest.client.js';
import { bitrixConnections } from '../support/bitrix-connections.js';
import { DialogReader } from '../../src/connector/dialogs/dialog.reader.js';
import { PortalDriver } from '../../src/connector/portal.driver.js';
import { OperatorNotes } from '../../src/connector/dialogs/operator-notes.js';
import { PreparedMessages } from '../../src/connector/dialogs/prepared-messages.js';
import { DeliveryProblems } from '../../src/relay/delivery-problems.js';
import { PortalSender } from '../../src/connector/dialogs/portal.sender.js';
import { RefusedCalls } from '../../src/connector/dialogs/refused-calls.js';
import { ServiceLinesSender } from '../../src/connector/dialogs/service-lines.sender.js';
import type { HeldLease } from '../../src/relay/endpoint-driver.js';
import type { ClaimedDelivery, ClaimedLane } from '../../src/storage/work/claimed-lane.js';
import type { PortalRecord } from '../../src/storage/accounts/portals.repository.js';
import { claimedChat, claimedDelivery } from '../support/claimed-work.js';

/** How long a request waits for its place in the portal's bucket, and when the lease is lost meanwhile. */
const WAIT_MS = 300;
const LOST_AFTER_MS = 100;

/** A portal that answers everything well. */
let server: Server;
let received: string[];
let lost: boolean;

beforeAll(() => Logger.overrideLogger(false));

beforeEach(async () => {
  received = [];
  lost = false;
  server = createServer((request, response) => {
    received.push(request.url!.split('/').at(-1)!);
    const answer = { SUCCESS: true, DATA: { RESULT: [{ SUCCESS: true, session: { ID: 1, CHAT_ID: 2 } }] } };
    request.resume().once('end', () => {
      response.setHeader('content-type', 'application/json');
      const together = { result: { c0: answer, c1: answer }, result_error: {}, result_time: {} };
      response.end(JSON.stringify({ result: request.url!.endsWith('batch') ? together : answer }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

afterEach(() => {
  server.closeAllConnections();
  server.close();
});

/** Stands for what the test does not reach. */
const stub = <Type>(parts: object): Type => parts as Type;

function driverOf(origin: string, bucketMs: number): PortalDriver {
  const portal = stub<PortalRecord>({
    id: 1n,
    clientEndpoint: `${origin}/rest/`,
    state: 'active',
    language: 'en',
    connectorId: 'tg_1',
    scope: 'im',
    installedAt: new Date(0),
  });
  const portals = stub<never>({ findById: async () => portal });
  const limiter = stub<never>({ reserve: async () => bucketMs, release: async () => undefined });
  const limits = stub<never>({ rests: async () => [] });
  const troubles = stub<never>({
    portalRestMs: async () => 0,
    keep: async (_portal: bigint, _method: string, e: Error) => e,
  });
  const tokens = stub<never>({ accessToken: async () => ({ token: 't', userId: '1' }) });
  const rest = new RestClient(
    bitrixConnections(),
    portals,
    tokens,
    limiter,
    stub({}),
    limits,
    troubles,
    stub({ add: () => undefined }),
  );
  const files = stub<never>({ sort: () => ({ files: [], left: [] }), photo: () => null, isTooLarge: () => false });
  const dialogs = new DialogReader(rest, files);
  const messages = new PreparedMessages(dialogs, files, new OperatorNotes(new DeliveryProblems(), files));
  const sender = new PortalSender(rest, messages, new RefusedCalls(rest));
  const lines = new ServiceLinesSender(rest, limiter, dialogs, stub({}), messages, sender, stub({}));
  const held: HeldLease = {
    lease: { endpoint: 'portal:1', owner: 'me', fence: 1n },
    signal: new AbortController().signal,
    get held() {
      return !lost;
    },
  };
  return new PortalDriver(1n, held, portals, limiter, troubles, sender, lines, stub({}), stub({}), stub({}), 1);
}

function lane(
  id: number,
  delivery: Partial<ClaimedDelivery>,
  message: Partial<ClaimedDelivery['message']> = {},
): ClaimedLane {
  const chat = claimedChat(id, { id: BigInt(id), bitrixChatId: '2', dialogOpen: true });
  const said = { id: BigInt(id), text: `words ${id}`, telegramMessageIds: [BigInt(id)], ...message };
  const channel = delivery.kind === 'status' ? 'status' : 'inbound';
  return stub<ClaimedLane>({ id: BigInt(id), channel, chat, deliveries: [claimedDelivery(said, delivery)] });
}

const ofOperator = { bitrixMessageId: '5', bitrixChatId: '2', bitrixLineId: '7' };

describe.each([
  { what: 'words', lanes: () => [lane(1, {})], method: 'imconnector.send.messages' },
  { what: 'words of several chats', lanes: () => [lane(1, {}), lane(2, {})], method: 'batch' },
  {
    what: 'newer words',
    lanes: () => [lane(1, { kind: 'edit', payload: { text: 'newer', marks: [] } })],
    method: 'imconnector.update.messages',
  },
  { what: 'an end of words', lanes: () => [lane(1, { kind: 'delete' })], method: 'imconnector.delete.messages' },
  {
    what: 'a line of the service',
    lanes: () => [lane(1, {}, { systemLine: true, telegramMessageIds: [] })],
    method: 'im.message.add',
  },
  {
    what: 'a report of delivery',
    // Long enough to leave without a permit that words have left.
    lanes: () => [lane(1, { kind: 'status', queuedAt: new Date(0) }, ofOperator)],
    method: 'imconnector.send.status.delivery',
  },
])('$what', ({ lanes, method }) => {
  const origin = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  it('leave while the lease is held', async () => {
    const work = lanes();
    const results = await Promise.all(driverOf(origin(), 10).send(work));
    expect(results.flatMap(({ deliveries }) => deliveries)).toEqual(
      work.map(() => expect.objectContaining({ delivered: true })),
    );
    expect(received).toEqual([method]);
  });

  it('do not leave when it was lost while they waited for the bucket', async () => {
    const work = lanes();
    const results = driverOf(origin(), WAIT_MS).send(work);
    await sleep(LOST_AFTER_MS);
    lost = true;
    const error = expect.objectContaining({ kind: 'not_sent', code: 'LEASE_LOST' });
    expect((await Promise.all(results)).flatMap(({ deliveries }) => deliveries)).toEqual(
      work.map(() => ({ seq: 1n, delivered: false, error })),
    );
    expect(received).toEqual([]);
  });
});

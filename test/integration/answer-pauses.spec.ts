import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { UpstreamError } from '../../src/common/upstream-error.js';
import type { Environment } from '../../src/config/environment.js';
import type { OauthClient } from '../../src/bitrix/oauth.client.js';
import { EventSenders } from '../../src/connector/events/event-senders.js';
import { EventsService } from '../../src/connector/events/events.service.js';
import { IntakeService } from '../../src/relay/intake.service.js';
import { RelayEvents } from '../../src/relay/relay-events.js';
import { answersPaused, LONGEST_PAUSE_SECONDS, PAUSE_SECONDS } from '../../src/storage/work/answer-pauses.js';
import { EncryptionService } from '../../src/storage/secrets/encryption.service.js';
import { EndpointsRepository } from '../../src/storage/work/endpoints.repository.js';
import { IntakeRepository } from '../../src/storage/intake/intake.repository.js';
import { PortalsRepository, type PortalRecord } from '../../src/storage/accounts/portals.repository.js';
import { createTestStorage, endHolds, PORTAL } from '../support/storage.js';

const OTHER = 2n;
const PARKED = 3n;
const SECRET = 'the-secret-of-the-handler';

let storage: Awaited<ReturnType<typeof createTestStorage>>;

beforeEach(async () => {
  storage = await createTestStorage();
  await storage.db.query(
    `INSERT INTO portals (id, member_id, domain, client_endpoint, oauth_origin, client_id, connector_id, state)
     VALUES (2, 'm2', 'b.bitrix24.com', 'https://b.bitrix24.com/rest/', 'https://oauth.bitrix24.tech', 'c', 'tg', 'active'),
            (3, 'm3', 'c.bitrix24.com', 'https://c.bitrix24.com/rest/', 'https://oauth.bitrix24.tech', 'c', 'tg', 'reauthorise')`,
  );
});

afterEach(() => storage.close());

async function paused(): Promise<bigint[]> {
  const { rows } = await storage.db.query<{ id: bigint }>(
    `SELECT p.id FROM portals p WHERE ${answersPaused('p')} ORDER BY p.id`,
  );
  return rows.map(({ id }) => id);
}

async function pausedBecomes(portals: bigint[]): Promise<void> {
  await expect.poll(paused, { timeout: 5_000 }).toEqual(portals);
}

describe('an event that was refused pauses', () => {
  const event = {
    event: 'ONIMCONNECTORMESSAGEADD',
    data: {},
    auth: { member_id: 'm', application_token: 'token', access_token: 'access' },
  };
  const silentOauth = {
    appInfo: () =>
      Promise.reject(
        new UpstreamError({ network: 'bitrix24', kind: 'not_sent', code: 'TIMEOUT', detail: 'x', scope: 'endpoint' }),
      ),
  } as unknown as OauthClient;

  function service(portals: Pick<PortalsRepository, 'findByMemberId' | 'list'> = new PortalsRepository(storage.db)) {
    const events = new RelayEvents();
    const intake = new IntakeService(new IntakeRepository(storage.db), events);
    const environment = { B24_HANDLER_SECRET: SECRET } as Environment;
    const encryption = new EncryptionService([randomBytes(32)]);
    const senders = new EventSenders(portals as PortalsRepository, silentOauth, encryption, environment, events);
    return new EventsService(intake, {} as never, {} as never, senders);
  }

  /** Long enough for a pause that nobody should make. */
  const settled = () => new Promise((resolve) => setTimeout(resolve, 300));

  it('the answers of its own portal, when its OAuth server is away', async () => {
    await expect(service().accept(SECRET, event)).rejects.toMatchObject({ code: 'oauth_unavailable' });
    await pausedBecomes([PORTAL]);
    await settled();
    expect(await paused()).toEqual([PORTAL]);
  });

  it('nobody’s, when it is not proven where it comes from', async () => {
    const events = service();
    await expect(events.accept('wrong', event)).rejects.toMatchObject({ code: 'wrong_secret' });
    const unknown = { ...event, auth: { ...event.auth, member_id: 'nobody' } };
    await expect(events.accept(SECRET, unknown)).rejects.toMatchObject({ code: 'unknown_portal' });
    await storage.db.query(`UPDATE portals SET application_token_hash = sha256('another') WHERE id = 1`);
    await expect(
      events.accept(SECRET, { ...event, auth: { ...event.auth, application_token: 'x' } }),
    ).rejects.toThrow();
    await settled();
    expect(await paused()).toEqual([]);
  });

  it('nobody’s, when the program fails before it knows the portal', async () => {
    const findByMemberId = () => Promise.reject(new TypeError('a fault of ours'));
    await expect(service({ findByMemberId, list: () => Promise.resolve([]) }).accept(SECRET, event)).rejects.toThrow();
    await settled();
    expect(await paused()).toEqual([]);
  });

  it('those of all active portals, when the database is away', async () => {
    const findByMemberId = (): Promise<PortalRecord> =>
      Promise.reject(Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }));
    await expect(service({ findByMemberId, list: () => Promise.resolve([]) }).accept(SECRET, event)).rejects.toThrow();
    await pausedBecomes([PORTAL, OTHER]);
    expect((await new PortalsRepository(storage.db).findById(PARKED))!.answersPausedUntil).toBeNull();
  });
});

describe('a pause', () => {
  const ago = (seconds: number) =>
    storage.db.query(
      `UPDATE portals SET hold_outbound_until = hold_outbound_until - make_interval(secs => $1),
                          answers_paused_since = answers_paused_since - make_interval(secs => $1)`,
      [seconds],
    );
  const again = () => new IntakeRepository(storage.db).pauseAnswers([PORTAL]);

  it('ends a minute after it began, however often it is renewed', async () => {
    await again();
    for (let seconds = 0; seconds < LONGEST_PAUSE_SECONDS; seconds += PAUSE_SECONDS / 3) {
      await again();
      expect(await paused(), `after ${seconds} s`).toEqual([PORTAL]);
      await ago(PAUSE_SECONDS / 3);
    }
    for (let seconds = 0; seconds < LONGEST_PAUSE_SECONDS; seconds += PAUSE_SECONDS / 3) {
      await again();
      expect(await paused(), `${seconds} s after it ended`).toEqual([]);
      await ago(PAUSE_SECONDS / 3);
    }
    await again();
    expect(await paused()).toEqual([PORTAL]);
  });

  it('begins anew once a look at the dialogs ended the one before', async () => {
    const portals = new PortalsRepository(storage.db);
    await again();
    await ago(LONGEST_PAUSE_SECONDS - 1);
    await again();
    await portals.resumeAnswers(PORTAL, (await portals.findById(PORTAL))!.answersPausedUntil!);
    expect(await paused()).toEqual([]);
    await again();
    await ago(PAUSE_SECONDS - 1);
    expect(await paused()).toEqual([PORTAL]);
  });

  it('of a version that knows no limit counts as long as it says', async () => {
    await storage.db.query(`UPDATE portals SET hold_outbound_until = now() + interval '15 seconds' WHERE id = 1`);
    expect(await paused()).toEqual([PORTAL]);
  });

  it('is not made because a new bot is driven, and is made when its driver was lost', async () => {
    const endpoints = new EndpointsRepository(storage.db);
    await endpoints.acquire('me', 10);
    await endHolds(storage.db);
    await storage.db.query(
      `INSERT INTO bots (id, key, telegram_id, token, portal_id, line_id) VALUES (2, 'k2', 2, 't', 1, '8')`,
    );
    expect((await endpoints.acquire('me', 10)).map(({ endpoint }) => endpoint)).toEqual(['bot:2']);
    expect(await paused()).toEqual([]);
    await storage.db.query(`UPDATE endpoints SET expires_at = now() - interval '1 second' WHERE id = 'bot:2'`);
    await endpoints.acquire('heir', 10);
    expect(await paused()).toEqual([PORTAL]);
  });
});

import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { emptySide, isSound, readHistory, type Account, type Side } from './account.js';
import { check, type Row, type RowContext, type RowResult } from './row.js';
import { Stage, until } from './stage.js';
import { Traffic } from './traffic.js';

const FILE_BYTES = 600_000;
const OPERATOR = { id: 27, name: 'Samantha Johnson' };
const SETTLE_MS = 180_000;
const STILLNESS_MS = 3_000;

export const fileRows: Row[] = [
  {
    id: 'R26',
    fault: 'files cut at the source, in Telegram and in the portal, once or every time',
    target: 'never a broken file in a dialog or with a client; none lost, each whole or told of',
    run: filesCut,
  },
];

/** A file that somebody sent, and how often its source breaks off. */
interface Sent {
  chat: number;
  name: string;
  sha256: string;
  cuts: number;
}

/** Telegram may do it for ever, which is a file that cannot be had; for a portal its messages wait. */
const CUTS = { telegram: [1, 1, 2, 3, Infinity], portal: [1, 1, 2, 3, 4] };
const CHATS = CUTS.telegram.length;

function filesCut(context: RowContext): Promise<RowResult> {
  return Stage.use(context, {}, async (stage) => {
    const rounds = context.full ? 20 : 4;
    const traffic = await Traffic.begin(stage, CHATS * 2);
    const [clients, operators] = [traffic.chats.slice(0, CHATS), traffic.chats.slice(CHATS)];
    const fromClients: Sent[] = [];
    const fromOperators: Sent[] = [];
    for (let round = 0; round < rounds; round++) {
      for (let n = 0; n < CHATS; n++) {
        fromClients.push(clientSends(stage, clients[n]!, `client-${round}-${n}.bin`, CUTS.telegram[n]!));
        fromOperators.push(operatorSends(stage, operators[n]!, `operator-${round}-${n}.bin`, CUTS.portal[n]!));
      }
    }
    const take = (): Account => ({
      inbound: sideOf(fromClients, inDialogs(stage), toldInDialogs(stage)),
      outbound: sideOf(fromOperators, withClients(stage), toldInDialogs(stage)),
    });
    const settled = await until(
      async () => take().inbound.lost + take().outbound.lost + (await waiting(stage)),
      (count) => count === 0,
      SETTLE_MS,
    );
    // In which a copy too many would come.
    await sleep(STILLNESS_MS);
    const account = take();
    const whole = (files: Sent[]) => new Set(files.map(({ sha256 }) => sha256));
    const broken = {
      dialogs: inDialogs(stage).filter((sha256) => !whole(fromClients).has(sha256)).length,
      clients: withClients(stage).filter((sha256) => !whole(fromOperators).has(sha256)).length,
    };
    return {
      done: `${fromClients.length} files each way, cut some times, or by Telegram for ever, at any place`,
      account,
      checks: [
        check(
          `broken files in dialogs: ${broken.dialogs}, with clients: ${broken.clients}`,
          Object.values(broken).every((count) => count === 0),
        ),
        check('none lost, repeated or out of order', isSound(account)),
        check(`neither there nor told of, or still waiting: ${settled.value}`, settled.ok),
        check(
          `operators' files with clients: ${account.outbound.arrived} of ${fromOperators.length}`,
          account.outbound.arrived === fromOperators.length,
        ),
      ],
      notes: [
        `Of clients' files ${account.inbound.arrived} are whole in the dialog (${curable(fromClients)} were not cut for ` +
          `ever) and ${account.inbound.failed} are told of instead.`,
      ],
    };
  });
}

function clientSends(stage: Stage, chat: number, fileName: string, cuts: number): Sent {
  const content = contentOf(fileName);
  const { bot, telegram } = stage;
  const client = bot.client({ id: chat, first_name: `Client ${chat}` });
  const { message } = client.sendsFile('document', { content, fileName });
  const { file_path } = bot.files.locate(message.document!.file_id);
  telegram.downloadFaults.next('*', { cutAfter: anyPlace() }, cuts, (asked) => asked['file_path'] === file_path);
  return { chat, name: fileName, sha256: sha256(content), cuts };
}

function operatorSends(stage: Stage, chat: number, name: string, cuts: number): Sent {
  const content = contentOf(name);
  const file = { name, mime: 'application/octet-stream', content };
  const message = stage.portal.operator(OPERATOR).sends(`tg:${chat}`, { files: [file] });
  const [stored] = message.files;
  stage.portal.files.breakFile(stored!, { cutAfter: anyPlace() });
  void cureAfter(stage, stored!.id, cuts);
  return { chat, name, sha256: sha256(content), cuts };
}

/** The link works again once it has broken off so often. */
async function cureAfter({ portal }: Stage, id: number, cuts: number): Promise<void> {
  const served = () =>
    portal.files.requests.filter(({ fileId, via, status }) => fileId === id && via !== 'link' && status === 200);
  await until(
    () => served().length,
    (count) => count >= cuts,
    SETTLE_MS,
  );
  portal.files.breakFile(id, null);
}

function sideOf(sent: Sent[], seen: string[], told: string[]): Side {
  const side = { ...emptySide(), written: sent.length };
  for (const { sha256, name } of sent) {
    const copies = seen.filter((each) => each === sha256).length;
    if (copies > 0) side.arrived++;
    else if (told.some((text) => text.includes(name))) side.failed++;
    else side.lost++;
    side.duplicated += Math.max(0, copies - 1);
  }
  for (const chat of new Set(sent.map((each) => each.chat))) {
    const places = sent.filter((each) => each.chat === chat).map((each) => seen.indexOf(each.sha256));
    const arrived = places.filter((place) => place >= 0);
    side.reordered += arrived.filter((place, n) => n > 0 && place < arrived[n - 1]!).length;
  }
  return side;
}

function inDialogs({ portal }: Stage): string[] {
  const heard = [...portal.lines.messages.values()].filter(({ author }) => author === 'client');
  return heard.flatMap(({ files }) => files.map((file) => file.sha256));
}

function withClients({ telegram }: Stage): string[] {
  return telegram.ledger().flatMap(({ file }) => (file ? [file.sha256] : []));
}

/** What operators read about files that are not there: a client's label, or a line of the service. */
function toldInDialogs({ portal }: Stage): string[] {
  return [...portal.lines.messages.values()].filter(({ author }) => author !== 'operator').map(({ text }) => text);
}

async function waiting(stage: Stage): Promise<number> {
  const states = await Promise.all(['queued', 'sending'].map((state) => readHistory(stage, `&state=${state}`)));
  return states.flat().length;
}

function curable(sent: Sent[]): number {
  return sent.filter(({ cuts }) => cuts < Infinity).length;
}

function contentOf(name: string): Buffer {
  return Buffer.alloc(FILE_BYTES, `${name} `);
}

/** At the beginning, in the middle, or just before the end. */
function anyPlace(): number {
  return 1 + Math.floor(Math.random() * (FILE_BYTES - 1));
}

function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

import { UTM_FIELDS, type CrmRecord } from '../support/bitrix24-simulator/crm-records.js';
import type { Run } from '../support/bitrix24-simulator/robots.js';
import { dialogOf, LINE, type Sandbox } from './sandbox.js';

/** The robot "Send a Telegram message". */
const ROBOT = 'tg_send_message';

const WORDS = {
  en: {
    link: 'Spring sale',
    robot: 'Your order is ready. When shall we deliver it?',
    buttons: 'Today\nTomorrow',
    campaign: 'spring-sale',
  },
  ru: {
    link: 'Весенняя распродажа',
    robot: 'Ваш заказ готов. Когда его доставить?',
    buttons: 'Сегодня\nЗавтра',
    campaign: 'vesna',
  },
};

/** What the card beside the dialog shows. */
export interface ShownDeal {
  title: string;
  /** UTM fields that the deal has, and the client's phone. */
  fields: { name: string; value: string }[];
  /** The newest run of the robot: what the process goes on with; '': it waits. null: none yet. */
  robot: { status: string; error: string } | null;
}

/** The deal that the portal makes of a client's conversation, with a robot to run and a link that leads to it. */
export class DealCards {
  private readonly runs = new Map<number, Run>();
  private code: Promise<string> | undefined;

  constructor(private readonly sandbox: Sandbox) {}

  /** null: the client has no deal yet. */
  of(client: { id: number }): ShownDeal | null {
    const deal = this.find(client);
    if (!deal) return null;
    const utm = UTM_FIELDS.flatMap((name) => (deal.utm[name] ? [{ name, value: deal.utm[name] }] : []));
    const phones = deal.phones.map((value) => ({ name: 'PHONE', value }));
    const run = this.runs.get(client.id);
    const { status = '', error = '' } = run?.returned ?? {};
    return {
      title: `${String(deal.fields['TITLE'])} · № ${deal.id}`,
      fields: [...utm, ...phones],
      robot: run ? { status: String(status), error: String(error) } : null,
    };
  }

  /** The process of the deal comes to the robot, which writes to the client. */
  runRobot(client: { id: number }): Run {
    const deal = this.find(client);
    if (!deal) throw new Error('the client has no deal yet');
    const { robot: text, buttons } = WORDS[this.sandbox.language];
    const run = this.sandbox.portal.robots.run(this.sandbox.app, ROBOT, {
      document: ['crm', 'CCrmDocumentDeal', `DEAL_${deal.id}`],
      properties: { text, buttons },
    });
    this.runs.set(client.id, run);
    return run;
  }

  /** What a link of a campaign carries: the payload of a press of Start. */
  linkCode(): Promise<string> {
    this.code ??= this.makeLink().catch((error: unknown) => {
      this.code = undefined;
      throw error;
    });
    return this.code;
  }

  private async makeLink(): Promise<string> {
    const { link: name, campaign } = WORDS[this.sandbox.language];
    const { program } = this.sandbox;
    const { json: portals } = await program.admin('GET', '/portals');
    const { status, json, text } = await program.admin('POST', '/links', {
      portalId: portals.items[0].id,
      lineId: LINE,
      name,
      utm: { source: 'sandbox', campaign },
    });
    if (status !== 201) throw new Error(`The link was answered ${status}: ${text}`);
    return json.code;
  }

  private find(client: { id: number }): CrmRecord | undefined {
    const { chat } = this.sandbox.portal.dialog(dialogOf(client));
    if (!chat) return undefined;
    const known = `imol|${chat.userCode}`;
    return this.sandbox.portal.crm.records.of('DEAL').findLast(({ messengers }) => messengers.includes(known));
  }
}

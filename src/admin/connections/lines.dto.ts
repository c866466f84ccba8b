import type { LineState, OperatorName } from '../../storage/prisma/client.js';
import { ApiId } from '../page.dto.js';

/** The bot that serves a line. */
export class BotOfLine {
  @ApiId()
  id: string;
  username: string | null;
  name: string | null;
}

/** An open line of a portal: what Bitrix24 says about it, and our settings for it. */
export class LineItem {
  lineId: string;

  /** Null: the portal was not asked, or has no such line any more. */
  name: string | null;
  enabled: boolean | null;

  /** State of our connector; null: it was never switched on there. */
  state: LineState | null;
  bot: BotOfLine | null;

  /** What a client reads before an operator's words. */
  operatorName: OperatorName;
  operatorNameTemplate: string | null;

  /** The bot's answer to /start. */
  welcomeText: string | null;

  /** A press of Start opens a session before the client has written anything. */
  startOpensSession: boolean;

  /** Under the welcome text stands a button by which clients share their phone number. */
  welcomeAsksPhone: boolean;
}

export class LineList {
  items: LineItem[];

  /** Whether the portal answered; false: the list holds only the lines in our own tables. */
  asked: boolean;

  /** Why the portal did not answer. */
  error: string | null;
}

import { ApiProperty } from '@nestjs/swagger';
import type { LineState, OperatorName, PortalState, TokenState } from '../../storage/prisma/client.js';
import { ApiId, PageOf } from '../page.dto.js';

/** An open line in which our connector was switched on at some time. */
export class PortalLine {
  lineId: string;
  state: LineState;

  /** What a client reads before an operator's words. */
  operatorName: OperatorName;
  operatorNameTemplate: string | null;

  /** The bot's answer to /start. */
  welcomeText: string | null;

  /** A press of Start opens a session. */
  startOpensSession: boolean;

  /** Under the welcome text stands a button by which clients share their phone number. */
  welcomeAsksPhone: boolean;
}

/** Tokens of one user of the portal, without the tokens themselves. */
export class PortalToken {
  userId: string;
  isAdmin: boolean;
  isInstaller: boolean;
  state: TokenState;
  stateReason: string | null;

  /** Stable code of the reason, and what Bitrix24 said. */
  stateCode: string | null;
  stateSaid: string | null;
  refreshedAt: Date;
  expiresAt: Date;
}

/** A bot that serves the portal. */
export class PortalBot {
  @ApiId()
  id: string;
  username: string | null;
  name: string | null;
  lineId: string | null;
}

/** A portal. No token, no secret. */
export class PortalItem {
  @ApiId()
  id: string;
  memberId: string;

  /** Its host, such as acme.bitrix24.com. */
  domain: string;

  /** `client_id` of the application that it installed. */
  clientId: string;
  connectorId: string;
  scope: string;
  language: string;
  state: PortalState;
  stateReason: string | null;

  /** Stable code of the reason, and what Bitrix24 said. */
  stateCode: string | null;
  stateSaid: string | null;

  /** Whether the token that signs this portal's events is known. */
  eventsVerified: boolean;

  /** Messages are erased after this many days; null: they are kept for ever. */
  @ApiProperty({ type: 'integer', nullable: true })
  retentionDays: number | null;

  /** REST requests a second that the portal takes; null: as B24_REQUESTS_PER_SECOND says. */
  @ApiProperty({ type: 'number', nullable: true })
  requestsPerSecond: number | null;

  /** REST requests that the portal takes at once; null: as B24_BURST says. */
  @ApiProperty({ type: 'integer', nullable: true })
  requestBurst: number | null;
  installedAt: Date;
  lines: PortalLine[];
  tokens: PortalToken[];
  bots: PortalBot[];
}

export class PortalPage extends PageOf(PortalItem) {}

/** A portal whose data are being erased. */
export class RemovedPortal {
  @ApiId()
  id: string;
  state: PortalState;
  stateReason: string | null;
}

/** One step of a registration and how it went. */
export class RegistrationStep {
  step: string;
  ok: boolean;
  detail: string;

  /** The open line that it was about. */
  lineId?: string;

  /** Of a step that failed: the code of Bitrix24's error, or a stable one of ours with what its words are made of. */
  code?: string;
  params?: Record<string, unknown>;
}

export class RegistrationReport {
  /** Every step worked. */
  ok: boolean;
  steps: RegistrationStep[];
}

/** What the portal says about the connector in one line (imconnector.status). */
export class ConnectorStatus {
  connector: string;
  lineId: string;

  /** Registered and switched on in this line. */
  configured: boolean;

  /** Configured and without error: messages are accepted. */
  active: boolean;
  error: boolean;
}

export class ConnectorStatusList {
  items: ConnectorStatus[];
}

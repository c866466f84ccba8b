import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsBoolean, IsIn, IsOptional, Matches, MaxLength } from 'class-validator';
import type { BotMode, BotState, OperatorName } from '../../storage/prisma/client.js';

const MODES = ['polling', 'webhook'] as const;

/** How Telegram's updates reach us. */
export class BotModeBody {
  @ApiProperty({ enum: MODES })
  @IsIn(MODES, { message: `mode must be one of ${MODES.join(', ')}` })
  mode: (typeof MODES)[number];
}

/** The bot that is to serve the line. */
export class BotTokenBody {
  @ApiProperty({ type: String, example: '123456:AA…', description: 'As @BotFather gave it.' })
  @Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? value.trim() : value))
  @MaxLength(200, { message: 'token must not be longer than 200 characters' })
  @Matches(/^\d+:[A-Za-z0-9_-]+$/, { message: 'token must look like 123456:AA…, as @BotFather gave it' })
  token: string;

  @ApiPropertyOptional({ enum: MODES, default: 'polling' })
  @IsOptional()
  @IsIn(MODES, { message: `mode must be one of ${MODES.join(', ')}` })
  mode: (typeof MODES)[number] = 'polling';

  /** Also if it serves another line of the portal, which then has none. */
  @ApiPropertyOptional({ type: Boolean, default: false })
  @IsOptional()
  @IsBoolean({ message: 'move must be true or false' })
  move: boolean = false;
}

/** The bot of a line. */
export class SettingsBot {
  id: string;
  username: string | null;
  name: string | null;
  mode: BotMode;
  state: BotState;

  /** It was made through the manager bot: its token can be renewed here. */
  managed: boolean;
}

/** What clients of a line read, and what a press of Start does. */
export class LineOptions {
  operatorName: OperatorName;
  operatorNameTemplate: string | null;
  welcomeText: string | null;
  startOpensSession: boolean;
  welcomeAsksPhone: boolean;
}

/** What goes through a line. */
export class LineTraffic {
  /** A client's newest words. */
  lastInboundAt: Date | null;

  /** The newest answer that reached a client. */
  lastOutboundAt: Date | null;

  /** Messages that wait, either way. */
  @ApiProperty({ type: 'integer', minimum: 0 })
  waiting: number;

  /** Failed and uncertain ones. */
  @ApiProperty({ type: 'integer', minimum: 0 })
  failed: number;
}

/** A line as its settings page shows it, from our own tables. */
export class LineSettings {
  lineId: string;

  /** Host of the portal. */
  portal: string;
  connectorName: string;

  /** Switched on, as far as we know. */
  on: boolean;
  bot: SettingsBot | null;
  options: LineOptions;

  /** Null: the line has no bot. */
  traffic: LineTraffic | null;

  /** Telegram could be told where to send updates. */
  webhookPossible: boolean;

  /** Bots can be made without @BotFather. */
  canMakeBots: boolean;
}

/** One thing that must be true for messages to flow. */
export class ChainLink {
  id: 'token' | 'updates' | 'portal' | 'installed' | 'events' | 'line';
  ok: boolean;

  /** `ok`, or what is wrong, for the page to explain. */
  code: string;

  /** In the words of the network. */
  detail?: string;
}

/** A line and every link of the chain between its clients and its operators, asked just now. */
export class CheckedLine extends LineSettings {
  /** Null: Bitrix24 does not tell it. */
  lineName: string | null;
  links: ChainLink[];
}

import { applyDecorators } from '@nestjs/common';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsIn, IsOptional, Matches, MaxLength } from 'class-validator';
import { IsId, IsTime, ListQuery } from '../admin.dto.js';
import { ApiId, PageOf } from '../page.dto.js';
import type { AuditOutcome } from '../../storage/postgres/audit-entries.js';
import { ROLES, type Role } from './caller.js';

const IsName = () =>
  applyDecorators(
    Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? value.trim() : value)),
    MaxLength(100, { message: 'name must not be longer than 100 characters' }),
    Matches(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+$/u, { message: 'name must be one line of text' }),
  );

/** A key that is to be made. */
export class NewKeyBody {
  /** Who or what gets it: the audit log names it. */
  @ApiProperty({ type: String, maxLength: 100, example: 'Anna, support' })
  @IsName()
  name: string;

  /** `read_only`: looks; `operator`: also messages, chats and lines; `owner`: also bots, portals and settings. */
  @ApiProperty({ enum: ROLES })
  @IsIn(ROLES, { message: `role must be one of ${ROLES.join(', ')}` })
  role: Role;

  /** The only portal that the key opens; without it, every portal. */
  @ApiPropertyOptional({ type: String, nullable: true })
  @IsOptional()
  @IsId()
  portalId?: string | null;

  /** When it ceases to open anything; without it, never. */
  @ApiPropertyOptional({ type: String, format: 'date-time', nullable: true, example: '2027-12-31T00:00:00Z' })
  @IsTime()
  expiresAt?: string | null;
}

/** Which changes. */
export class AuditQuery extends ListQuery {
  @ApiPropertyOptional({ type: String })
  @IsOptional()
  @IsId()
  portal?: string;

  /** An item's `action`. */
  @ApiPropertyOptional({ type: String, example: 'bot.create' })
  @Transform(({ value }: { value: unknown }) => (value === '' ? undefined : value))
  @IsOptional()
  @Matches(/^[a-z_.]{1,100}$/, { message: 'action must be that of an item, such as bot.create' })
  action?: string;

  /** Earliest `at`. */
  @ApiPropertyOptional({ type: String, format: 'date-time' })
  @IsTime()
  from?: string;

  /** Latest `at`. */
  @ApiPropertyOptional({ type: String, format: 'date-time' })
  @IsTime()
  to?: string;
}

/** Whose key it is and what it allows. */
export class Me {
  name: string;
  role: Role;

  /** Null: every portal. */
  portalId: string | null;
}

/** A key, without the key itself. */
export class KeyItem {
  @ApiId()
  id: string;
  name: string;
  role: Role;

  /** The only portal that it opens; null: every portal. */
  portalId: string | null;

  /** Its last characters, to recognise it by. */
  hint: string;
  createdAt: Date;
  createdBy: string;
  lastUsedAt: Date | null;
  expiresAt: Date | null;
  revokedAt: Date | null;
}

export class KeyPage extends PageOf(KeyItem) {}

export class NewKey extends KeyItem {
  /** Shown in this answer and never again. */
  key: string;
}

/** A change: made through the API, by somebody in a portal, or by the program itself. */
class AuditItem {
  @ApiId()
  id: string;
  at: Date;

  /** Who, and from which address: `name@ip`; `portal:1/user:2`: somebody in a portal; `program`: nobody. */
  actor: string;

  /** What was done, e.g. `bot.create`. */
  action: string;

  /** To what, e.g. `bot:5`. */
  subject: string;

  /** The portal that it belongs to; null: to none, or to all. */
  portalId: string | null;

  /** What was asked for, without secrets; `failedSteps` or `error` where not all of it was done. */
  @ApiProperty({ type: 'object', additionalProperties: true })
  detail: unknown;

  /** `begun`: under way, or the program ended in the middle of it; `partial`: some steps failed; `failed`: with an error. */
  @ApiProperty({ enum: ['begun', 'done', 'partial', 'failed'] })
  outcome: AuditOutcome;
}

export class AuditPage extends PageOf(AuditItem) {}

import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform, Type } from 'class-transformer';
import {
  IsBoolean,
  IsISO8601,
  IsObject,
  IsOptional,
  IsString,
  Matches,
  MaxLength,
  ValidateIf,
  ValidateNested,
} from 'class-validator';
import { WELCOME_LIMIT } from '../../connector/settings/line-change.dto.js';
import { ENTITY_TYPE, type EntityType } from '../entities/crm-entity.js';

const NAME_LIMIT = 100;
/** Columns of the CRM hold so many characters. */
const UTM_LIMIT = 255;
const ID = /^[1-9]\d{0,17}$/;

const trimmed = () => Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? value.trim() : value));
/** Blank is none. */
const blankIsNone = () =>
  Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? value.trim() || null : value));
const numberIsText = () =>
  Transform(({ value }: { value: unknown }) => (Number.isSafeInteger(value) ? String(value) : value));

/** One UTM field, or none. */
const UtmField = (name: string) => (target: object, key: string) => {
  for (const decorate of [
    ApiPropertyOptional({ type: String, maxLength: UTM_LIMIT, description: `utm_${name}` }),
    Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? value.trim() || undefined : value)),
    IsOptional(),
    IsString({ message: `utm.${name} must be a text` }),
    MaxLength(UTM_LIMIT, { message: `utm.${name} must not be longer than ${UTM_LIMIT} characters` }),
    Matches(/^\P{Cc}*$/u, { message: `utm.${name} must be one line of text` }),
  ]) {
    decorate(target, key);
  }
};

/** What the CRM is told of clients who come by a link. What is left out stays as the CRM has it. */
export class UtmBody {
  @UtmField('source')
  source?: string;

  @UtmField('medium')
  medium?: string;

  @UtmField('campaign')
  campaign?: string;

  @UtmField('content')
  content?: string;

  @UtmField('term')
  term?: string;
}

/** Something in the CRM. */
export class EntityBody {
  /** `dynamic_183`: an item of the smart process 183. */
  @ApiProperty({ type: String, pattern: ENTITY_TYPE.source, example: 'deal' })
  @Matches(ENTITY_TYPE, { message: 'entity.type must be lead, deal, contact, company, or dynamic_183' })
  type: EntityType;

  @ApiProperty({ type: String, pattern: '^\\d+$', example: '1209' })
  @numberIsText()
  @Matches(ID, { message: 'entity.id must be the number of something in the CRM' })
  id: string;
}

/** What of a link can be changed. What is left out stays. */
export class LinkChangeBody {
  /** As operators read it: "came by the link: …". */
  @ApiPropertyOptional({ type: String, maxLength: NAME_LIMIT, example: 'Poster in the shop' })
  @trimmed()
  @ValidateIf(({ name }: LinkChangeBody) => name !== undefined)
  @IsString({ message: 'name must be a text' })
  @MaxLength(NAME_LIMIT, { message: `name must not be longer than ${NAME_LIMIT} characters` })
  @Matches(/^\P{Cc}+$/u, { message: 'name must be one line of text, and not empty' })
  name?: string;

  @ApiPropertyOptional({ type: UtmBody })
  @IsOptional()
  @IsObject({ message: 'utm must be an object' })
  @ValidateNested()
  @Type(() => UtmBody)
  utm?: UtmBody;

  /** Read by whoever comes by it, in place of the line's welcome, with {first_name} and {name}; null: that of the line. */
  @ApiPropertyOptional({ type: String, nullable: true, maxLength: WELCOME_LIMIT })
  @blankIsNone()
  @IsOptional()
  @IsString({ message: 'welcomeText must be a text, or null' })
  @MaxLength(WELCOME_LIMIT, { message: `welcomeText must not be longer than ${WELCOME_LIMIT} characters` })
  @Matches(/^[^\0]*$/, { message: 'welcomeText must not contain U+0000' })
  welcomeText?: string | null;

  /** From then on whoever comes by it is an ordinary new client; null: never. */
  @ApiPropertyOptional({ type: String, format: 'date-time', nullable: true })
  @IsOptional()
  @IsISO8601({ strict: true }, { message: 'expiresAt must be a time as in ISO 8601, or null' })
  expiresAt?: string | null;

  /** For the first who comes by it; others are ordinary new clients. */
  @ApiPropertyOptional({ type: Boolean })
  @ValidateIf(({ singleUse }: LinkChangeBody) => singleUse !== undefined)
  @IsBoolean({ message: 'singleUse must be true or false' })
  singleUse?: boolean;
}

/** A new link of a line, or an invitation when it names an entity. */
export class LineLinkBody extends LinkChangeBody {
  /** The payload of a link that others make, such as `ads_may`, to be known by a name here; left out: a random one. */
  @ApiPropertyOptional({ type: String, pattern: '^[A-Za-z0-9_-]{1,64}$' })
  @trimmed()
  @IsOptional()
  @Matches(/^[A-Za-z0-9_-]{1,64}$/, { message: 'code must be 1 to 64 letters, digits, _ or -' })
  code?: string;

  /** Whoever comes by it is bound to this. Unless said otherwise such a link is for one person, and for thirty days. */
  @ApiPropertyOptional({ type: EntityBody })
  @IsOptional()
  @IsObject({ message: 'entity must be an object' })
  @ValidateNested()
  @Type(() => EntityBody)
  entity?: EntityBody;
}

/** A new link. */
export class NewLinkBody extends LineLinkBody {
  @ApiPropertyOptional({ type: String, pattern: '^\\d+$', description: 'May be left out where there is only one.' })
  @numberIsText()
  @IsOptional()
  @Matches(ID, { message: 'portalId must be the id of a portal' })
  portalId?: string;

  /** The line whose bot it leads to. */
  @ApiPropertyOptional({
    type: String,
    pattern: '^\\d+$',
    description: 'May be left out where the portal has one bot.',
  })
  @numberIsText()
  @IsOptional()
  @Matches(ID, { message: 'lineId must be the number of an open line' })
  lineId?: string;
}

/** How many clients. */
export class LinkCounts {
  /** Pressed Start. */
  @ApiProperty({ type: 'integer', minimum: 0 })
  pressed: number;

  /** Wrote something after that. */
  @ApiProperty({ type: 'integer', minimum: 0 })
  wrote: number;

  /** Have a lead or a deal in the CRM. */
  @ApiProperty({ type: 'integer', minimum: 0 })
  leads: number;
}

/** A link to a bot. */
export class LinkItem {
  @ApiProperty({ type: String, pattern: '^\\d+$', example: '42' })
  id: string;
  portalId: string;
  botId: string;

  /** Null: its bot serves no line of the portal any more, so that the link counts nothing. */
  lineId: string | null;
  code: string;

  /** Null: the name of the bot is not known yet. */
  url: string | null;
  name: string;

  @ApiProperty({ type: UtmBody })
  utm: UtmBody;
  welcomeText: string | null;
  expiresAt: Date | null;
  singleUse: boolean;

  @ApiProperty({ type: EntityBody, nullable: true })
  entity: EntityBody | null;

  /** `used`: by the one person for whom it was; `expired`: whoever comes by it is an ordinary new client. */
  @ApiProperty({ enum: ['active', 'used', 'expired'] })
  state: 'active' | 'used' | 'expired';

  @ApiProperty({ type: LinkCounts })
  counts: LinkCounts;
  createdAt: Date;
  createdBy: string;
}

/** Links of a line, for its settings page. */
export class LineLinks {
  @ApiProperty({ type: [LinkItem], description: 'Newest first.' })
  items: LinkItem[];

  /** The application may use the CRM; otherwise links only count. */
  crm: boolean;
}

import { ApiProperty } from '@nestjs/swagger';
import { EntityBody, UtmBody } from '../../crm/links/links.dto.js';
import type { ArrivalRow } from '../../storage/crm/arrivals.repository.js';
import { ListQuery } from '../admin.dto.js';
import { ApiCount, ApiId, PageOf } from '../page.dto.js';

const OBSTACLES = ['used', 'expired', 'group'] as const;
const OUTCOMES = `How it ended: \`written\` (UTM fields), \`bound\` (to what the invitation is for), \`nothing_to_write\` (no UTM, or
every field has a value already), \`not_bound\` (\`detail\`: why), \`no_scope\` (the application may not use the CRM), \`refused\` (by
the portal, see \`detail\`), \`given_up\` (after a day; \`detail\`: what was missing). Or why it is tried again: \`no_dialog\`,
\`no_entity\`, \`no_activity\` (the CRM has none of the dialog yet), \`portal_trouble\`, \`fault\`. Null: nobody has looked yet.`;

/** Somebody who came by a link. */
export class ArrivalItem {
  @ApiId()
  id: string;

  /** Null: the client was erased, or their bot serves another portal by now. */
  @ApiProperty({ type: String, nullable: true })
  chatId: string | null;

  /** Name of the client, or of the group. */
  title: string | null;

  /** How often they pressed Start with this link. */
  @ApiCount()
  presses: number;
  firstPressedAt: Date;
  pressedAt: Date;

  /** When they first wrote something afterwards; null: they have not. */
  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  wroteAt: Date | null;

  /** What the CRM was to know. */
  @ApiProperty({ type: UtmBody })
  utm: UtmBody;

  /** Of an invitation: what the client was to be linked to. */
  @ApiProperty({ type: EntityBody, nullable: true })
  entity: EntityBody | null;

  /** Why they were not: somebody else had used it, its time was over, or it was opened in a group. */
  @ApiProperty({ enum: OBSTACLES, nullable: true })
  obstacle: (typeof OBSTACLES)[number] | null;

  /** What the CRM has of the dialog. */
  @ApiProperty({ type: EntityBody, nullable: true })
  found: EntityBody | null;

  @ApiProperty({ type: String, nullable: true, description: OUTCOMES.replaceAll('\n', ' ') })
  outcome: string | null;

  @ApiProperty({ type: String, nullable: true })
  detail: string | null;

  /** When it is tried (again); null: it is finished. */
  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  nextTryAt: Date | null;
}

export class ArrivalsQuery extends ListQuery {}

export class ArrivalPage extends PageOf(ArrivalItem) {}

export function arrivalItem({ id, chatId, createdAt, dueAt, entity, found, ...row }: ArrivalRow): ArrivalItem {
  return {
    ...row,
    id: id.toString(),
    chatId: chatId?.toString() ?? null,
    firstPressedAt: createdAt,
    entity: entity as EntityBody | null,
    found: found as EntityBody | null,
    nextTryAt: dueAt,
  };
}

import { ApiProperty, ApiPropertyOptional, IntersectionType } from '@nestjs/swagger';
import { IsIn, IsOptional } from 'class-validator';
import { AreSomeOf, ChatFilter, IsFlag, IsId, IsOneOf, IsWords, ListQuery, TimeFilter } from '../admin.dto.js';

export const SHOWN_STATES = ['queued', 'sending', 'delivered', 'failed', 'uncertain', 'ignored'] as const;
export const REPLAYABLE_STATES = ['failed', 'uncertain'] as const;
export const RESOLVED_STATES = ['delivered', 'failed'] as const;
export const DIRECTIONS = ['inbound', 'outbound'] as const;

/** Which messages. */
class MessagesFilter extends TimeFilter {
  /** Any of these, comma-separated. */
  @AreSomeOf(SHOWN_STATES, REPLAYABLE_STATES)
  state?: (typeof SHOWN_STATES)[number][];

  @ApiPropertyOptional({ enum: DIRECTIONS })
  @IsOneOf(DIRECTIONS)
  direction?: (typeof DIRECTIONS)[number];

  /**
   * Words that must all occur, in any form, the last one perhaps unfinished; numbers also by a part. In quotes: a text
   * as it stands, in either case.
   */
  @ApiPropertyOptional({ type: String, maxLength: 200 })
  @IsWords()
  q?: string;
}

/** Which page of messages, and what else of them. */
class MessageListQuery extends ListQuery {
  /**
   * Id of a message: the page has it in its middle, if the filter holds it, and cursors both ways. Means nothing where
   * `cursor` is given.
   */
  @ApiPropertyOptional({ type: String })
  @IsOptional()
  @IsId()
  around?: string;

  /** `1`: the answer says how many messages the filter holds (`count`, and `more` where there are at least so many). */
  @ApiPropertyOptional({ enum: ['1', '0'] })
  @IsFlag()
  count?: boolean;
}

/** Which page of which messages of one chat. */
export class ChatMessagesQuery extends IntersectionType(MessageListQuery, MessagesFilter) {}

/** Which messages of which chats. */
export class PlacedMessagesFilter extends IntersectionType(MessagesFilter, ChatFilter) {}

/** Which page of which messages. */
export class MessagesQuery extends IntersectionType(MessageListQuery, PlacedMessagesFilter) {}

/** What a person knows about a message whose outcome is unknown. */
export class ResolveBody {
  /** `delivered`: the client has it; `failed`: they have not. */
  @ApiProperty({ enum: RESOLVED_STATES })
  @IsIn(RESOLVED_STATES, { message: `outcome must be one of ${RESOLVED_STATES.join(', ')}` })
  outcome: (typeof RESOLVED_STATES)[number];
}

/** Which failed or uncertain messages are to be sent again or dismissed; without `state`, both. */
export class UndeliveredBody extends IntersectionType(ChatFilter, TimeFilter) {
  /** Any of these, comma-separated. */
  @AreSomeOf(REPLAYABLE_STATES, REPLAYABLE_STATES)
  state?: (typeof REPLAYABLE_STATES)[number][];

  @ApiPropertyOptional({ enum: DIRECTIONS })
  @IsOneOf(DIRECTIONS)
  direction?: (typeof DIRECTIONS)[number];

  /** Nothing is done: the answer says how many it would be. */
  @ApiPropertyOptional({ type: Boolean })
  @IsOptional()
  @IsIn([true, false], { message: 'dryRun must be true or false' })
  dryRun?: boolean;
}

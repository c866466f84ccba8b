import { Injectable, Logger } from '@nestjs/common';
import { RestClient } from '../../bitrix/rest.client.js';
import { TimeLimitError, within } from '../../common/within.js';
import type { Operator, OperatorDirectory } from '../../relay/operator-directory.js';
import { LinesRepository } from '../../storage/accounts/lines.repository.js';
import { LINE_METHOD, readLineOperators, type LineOperators } from './line-config.parser.js';
import { OperatorsService } from './operators.service.js';

/** No event tells that a line was changed: it is asked again after this. */
const KNOWN_MS = 3_600_000;
/** After an answer that said nothing. */
const UNKNOWN_MS = 300_000;
/** A message waits no longer for the name of its author, whatever must be asked. */
const WAIT_MS = 3_000;
const CALL_MS = 10_000;
const MOST_REMEMBERED = 10_000;

export interface NamedLine {
  portalId: bigint;
  lineId: string;
}

interface Remembered {
  /** What counts now: the portal's latest answer, or the one that was kept; null: it never said. */
  operators: Promise<LineOperators | null>;
  until: number;
}

/**
 * Under which names operators answer on each line, as `imopenlines.config.get` says. The last answer is kept in the
 * table of lines and counts until there is a newer one, through restarts and refusals.
 */
@Injectable()
export class LineOperatorsService implements OperatorDirectory {
  private readonly logger = new Logger(LineOperatorsService.name);
  private readonly remembered = new Map<string, Remembered>();

  constructor(
    private readonly rest: RestClient,
    private readonly lines: LinesRepository,
    private readonly profiles: OperatorsService,
  ) {}

  operator(portalId: bigint, userId: string): Promise<Operator | null> {
    return this.profiles.find(portalId, userId);
  }

  /** A portal that never said what its line wants is taken to show profiles. */
  async operatorOnLine(line: NamedLine, userId: string): Promise<Operator | 'hidden' | null> {
    // Both are asked at once; whichever is not needed serves the next message.
    const profile = this.profiles.find(line.portalId, userId);
    try {
      const operators = await within(WAIT_MS, this.of(line));
      if (operators?.data === 'hide') return 'hidden';
      const name = operators?.data === 'queue' ? operators.names[userId] : undefined;
      return name === undefined ? await profile : named(name, await profile);
    } catch (error) {
      if (error instanceof TimeLimitError) return null;
      throw error;
    }
  }

  /** Asks the portal now, because something about the line was changed. Nobody waits for it; never rejects. */
  async refresh(line: NamedLine): Promise<void> {
    const asked = this.askOr(line, this.kept(line));
    this.remember(line, asked);
    await asked.catch(() => undefined);
  }

  /** The caller has asked the portal about the line anyway. */
  async learn(line: NamedLine, config: unknown): Promise<void> {
    const operators = await this.keep(line, config);
    if (operators) this.remember(line, Promise.resolve(operators));
  }

  private of(line: NamedLine): Promise<LineOperators | null> {
    const known = this.remembered.get(keyOf(line));
    if (known && known.until > Date.now()) return known.operators;
    const before = known?.operators ?? this.kept(line);
    const asked = this.askOr(line, before);
    // What is known serves until the portal has answered; where nothing is, the answer is waited for.
    const operators = before.then((last) => last ?? asked);
    this.remember(line, operators, asked);
    return operators;
  }

  private remember(
    line: NamedLine,
    operators: Promise<LineOperators | null>,
    asked: Promise<LineOperators | null> = operators,
  ): void {
    if (this.remembered.size >= MOST_REMEMBERED) this.remembered.clear();
    const entry: Remembered = { operators, until: Date.now() + UNKNOWN_MS };
    this.remembered.set(keyOf(line), entry);
    // Whoever asked may not wait for it any more.
    operators.catch(() => undefined);
    asked.then(
      (answer) => {
        entry.operators = Promise.resolve(answer);
        entry.until = Date.now() + (answer ? KNOWN_MS : UNKNOWN_MS);
      },
      () => this.remembered.delete(keyOf(line)),
    );
  }

  /** The portal's answer; what was known before where it gives none. */
  private async askOr(line: NamedLine, before: Promise<LineOperators | null>): Promise<LineOperators | null> {
    try {
      const params = { CONFIG_ID: Number(line.lineId) };
      const { result } = await this.rest.call(line.portalId, LINE_METHOD, params, { timeoutMs: CALL_MS });
      return (await this.keep(line, result)) ?? (await before);
    } catch (error) {
      const about = { portalId: String(line.portalId), lineId: line.lineId, err: error };
      this.logger.debug(about, 'The portal did not say under which names operators answer');
      return before;
    }
  }

  private async keep({ portalId, lineId }: NamedLine, config: unknown): Promise<LineOperators | null> {
    const operators = readLineOperators(config);
    if (operators) await this.lines.saveOperators(portalId, lineId, operators.data, operators.names);
    return operators;
  }

  private async kept({ portalId, lineId }: NamedLine): Promise<LineOperators | null> {
    const line = await this.lines.find(portalId, lineId);
    if (!line?.operatorData) return null;
    const data = line.operatorData as LineOperators['data'];
    return { data, names: line.operatorNames as LineOperators['names'] };
  }
}

/** Of a name that was entered for the queue the last word is the last name, as the portal itself takes it. */
function named(name: string, profile: Operator | null): Operator {
  const words = name.split(' ');
  const lastName = words.length > 1 ? words.pop()! : '';
  return { firstName: words.join(' '), lastName, position: profile?.position ?? '' };
}

function keyOf({ portalId, lineId }: NamedLine): string {
  return `${portalId}:${lineId}`;
}

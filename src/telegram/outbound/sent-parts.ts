import type { ClaimedDelivery } from '../../storage/work/claimed-lane.js';

/**
 * What Telegram has of an operator's message, part by part: its files by their ordinals, its texts behind them. Part
 * numbers tell, long after, which of the ids is a text and which a file.
 */
export class SentParts {
  private readonly ids: Map<number, bigint>;
  private readonly before: number;
  private readonly removed: bigint[] = [];

  constructor({ telegramMessageIds, telegramParts }: ClaimedDelivery['message']) {
    this.ids = new Map(telegramMessageIds.map((id, index) => [telegramParts[index] ?? index, id]));
    this.before = this.ids.size;
  }

  get parts(): ReadonlySet<number> {
    return new Set(this.ids.keys());
  }

  /** In the order of the parts, from `first` on and before `end`. */
  between(first: number, end = Infinity): { part: number; id: bigint }[] {
    return [...this.ids]
      .filter(([part]) => part >= first && part < end)
      .sort(([a], [b]) => a - b)
      .map(([part, id]) => ({ part, id }));
  }

  /** Something was sent in this attempt. */
  get grew(): boolean {
    return this.ids.size > this.before;
  }

  add(parts: number[], ids: bigint[]): void {
    parts.forEach((part, index) => this.ids.set(part, ids[index]!));
  }

  remove(part: number): void {
    const id = this.ids.get(part);
    if (id === undefined) return;
    this.ids.delete(part);
    this.removed.push(id);
  }

  /** As a result of a delivery names it. */
  get recorded(): { telegramMessageIds: bigint[]; telegramParts: number[]; removedMessageIds?: bigint[] } {
    const all = this.between(0);
    return {
      telegramMessageIds: all.map(({ id }) => id),
      telegramParts: all.map(({ part }) => part),
      ...(this.removed.length > 0 ? { removedMessageIds: this.removed } : {}),
    };
  }
}

/** Whose events may be lost: those of one portal, or of any while the database is away. */
export type Suspect = bigint | 'all';

/**
 * Which portals' answers are still to be paused, because events of theirs may have been refused: Bitrix24 does not
 * post them again. Only this process knows; when it ends before the pause is kept, the slow look at the dialogs finds
 * what is missing, late.
 */
export class LostEvents {
  private number = 0;
  /** The latest loss of each. */
  private readonly losses = new Map<Suspect, number>();
  /** By portal: the loss for which its answers are, or were, paused. */
  private readonly pausedFor = new Map<Suspect, number>();

  add(suspect: Suspect): void {
    this.losses.set(suspect, ++this.number);
  }

  /** Of these portals, those whose answers are still to be paused. */
  unpausedOf(portalIds: Iterable<bigint>): bigint[] {
    return [...new Set(portalIds)].filter((id) => this.lossOf(id) > this.pauseOf(id));
  }

  /** Everything that is still to be paused; null: nothing. */
  unpaused(): bigint[] | 'all' | null {
    if ((this.losses.get('all') ?? 0) > (this.pausedFor.get('all') ?? 0)) return 'all';
    const portals = this.unpausedOf([...this.losses.keys()].filter((suspect) => suspect !== 'all'));
    return portals.length > 0 ? portals : null;
  }

  /** To be called before answers are paused; the result, once that is committed. */
  beginPause(portals: bigint[] | 'all'): (paused: bigint[]) => void {
    const { number } = this;
    return (paused) => {
      for (const suspect of portals === 'all' ? (['all', ...paused, ...this.losses.keys()] as const) : portals) {
        this.pausedFor.set(suspect, Math.max(number, this.pausedFor.get(suspect) ?? 0));
      }
    };
  }

  /** A portal that came after all were paused is not paused for what was lost before. */
  private pauseOf(portalId: bigint): number {
    return Math.max(this.pausedFor.get('all') ?? 0, this.pausedFor.get(portalId) ?? 0);
  }

  private lossOf(portalId: bigint): number {
    return Math.max(this.losses.get('all') ?? 0, this.losses.get(portalId) ?? 0);
  }
}

/** What a loop tells when its work begins to fail, and when it succeeds again. */
export interface LoopNews {
  broken(error: unknown): void;
  recovered(): void;
}

/** Does the work again and again, with a pause after each time, until `isOver`; resolves then. Failures end nothing. */
export async function steadyLoop(
  pauseMs: number,
  work: () => Promise<void>,
  isOver: () => boolean,
  news: LoopNews,
): Promise<void> {
  let failing = false;
  while (!isOver()) {
    try {
      await work();
      if (failing) news.recovered();
      failing = false;
    } catch (error) {
      if (!failing) news.broken(error);
      failing = true;
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

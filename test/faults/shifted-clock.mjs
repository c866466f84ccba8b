// Preloaded into a program: its calendar runs SHIFT_CLOCK_MS ahead of the machine's. Timers and performance.now() stay.
const shift = Number(process.env.SHIFT_CLOCK_MS ?? 0);
const RealDate = Date;

globalThis.Date = class extends RealDate {
  constructor(...args) {
    super(...(args.length > 0 ? args : [RealDate.now() + shift]));
  }

  static now() {
    return RealDate.now() + shift;
  }
};

// Preloaded into the program by `--profile DIR`: leaves a CPU profile there when it ends (open it in DevTools).
import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector';
import path from 'node:path';

const session = new Session();
session.connect();
session.post('Profiler.enable');
session.post('Profiler.start');
process.once('exit', () => {
  session.post('Profiler.stop', (error, answer) => {
    const file = path.join(process.env.BENCH_PROFILE, `program-${process.pid}.cpuprofile`);
    if (!error) writeFileSync(file, JSON.stringify(answer.profile));
  });
});

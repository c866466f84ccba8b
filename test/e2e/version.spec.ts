import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Bridge } from '../support/bridge.js';

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

let bridge: Bridge;
beforeAll(async () => {
  bridge = await Bridge.start();
});
afterAll(() => bridge?.stop());

it('is told by the log before anything else, by the probes, the metrics and the console', async () => {
  const { program } = bridge;
  expect(program.log[0]).toContain(`telegram-openlines ${version} starts on Node.js ${process.version}`);
  for (const probe of ['/health/live', '/health/ready']) {
    expect((await program.get(probe)).json.details.program, probe).toEqual({ status: 'up', version });
  }
  expect((await program.get('/metrics')).text).toContain(`openlines_build_info{version="${version}"} 1`);
  expect((await program.get('/console')).text).toContain(
    `<script type="application/json" id="bootstrap">{"version":"${version}"}</script>`,
  );
});

// Sums the reports of .ci/run: "N passed, N failed". Fails where one is missing, empty or has failures.
import { existsSync, readFileSync } from 'node:fs';

const file = (name) => new URL(name, import.meta.url);
const names = ['results.json', ...(process.env.CHROMIUM_PATH ? ['results.browser.json'] : [])];
const reports = names.map((name) => (existsSync(file(name)) ? JSON.parse(readFileSync(file(name), 'utf8')) : null));

let passed = 0;
let failed = 0;
for (const [index, report] of reports.entries()) {
  if (!report || report.numPassedTests === 0) {
    console.log(`No test ran: .ci/${names[index]}`);
    failed += 1;
  }
  if (!report) continue;
  // A file that breaks before its first test fails no test.
  const broken = report.testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.every((test) => test.status !== 'failed'),
  );
  passed += report.numPassedTests;
  failed += report.numFailedTests + broken.length;
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;

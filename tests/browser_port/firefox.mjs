// Runs a function in a page of Firefox, once for each argument. Standard input holds
// `{ executable, url, source, each }`; standard output the answers, in their order.

import puppeteer from "puppeteer-core";

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const { executable, url, source, each } = JSON.parse(Buffer.concat(chunks));
const browser = await puppeteer.launch({
  browser: "firefox",
  executablePath: executable,
  protocolTimeout: 600_000,
});
try {
  const page = await browser.newPage();
  page.on("pageerror", (error) => {
    throw error;
  });
  await page.goto(url);
  const answers = [];
  for (const argument of each)
    answers.push(await page.evaluate(`(${source})(${JSON.stringify(argument)})`));
  process.stdout.write(JSON.stringify(answers));
} finally {
  await browser.close();
}

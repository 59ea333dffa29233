// Calls every read of the npm package growatt and prints the outcomes as one JSON object.
// Arguments: server, user name, password, a JSON object {deviceType: [plant, serial]}, and the days of the history.
'use strict';
const Growatt = require('growatt');

const [server, username, password, devicesText, firstDay, lastDay] = process.argv.slice(2);
const devices = JSON.parse(devicesText);
const client = new Growatt({ server, timeout: 30000 });
const outcomes = {};

async function run(name, call) {
  try {
    outcomes[name] = { value: await call() };
  } catch (error) {
    outcomes[name] = { error: error.message };
  }
}

async function main() {
  await run('before login', () => client.getPlatList());
  await run('wrong login', () => client.login(username, `not ${password}`));
  await run('login', () => client.login(username, password));
  await run('plants', () => client.getPlatList());
  for (const [type, [plant, serial]] of Object.entries(devices)) {
    await run(`plant ${type}`, () => client.getPlantData(plant));
    await run(`weather ${type}`, () => client.getWeatherByPlantId(plant));
    await run(`alarms ${type}`, () => client.getNewPlantFaultLog(plant, lastDay));
    await run(`families ${type}`, () => client.getDevicesByPlant(plant));
    await run(`devices ${type}`, () => client.getDevicesByPlantList(plant, 1));
    await run(`dataloggers ${type}`, () => client.getDataLogger(plant, 1));
    await run(`totals ${type}`, () => client.getTotalData(type, plant, serial, '0'));
    if (['mix', 'spa', 'storage', 'tlxh'].includes(type)) {
      await run(`status ${type}`, () => client.getStatusData(type, plant, serial));
    }
    await run(`history ${type}`, () => client.getHistory(type, serial, new Date(firstDay), new Date(lastDay), 0, true));
  }
  await run('unknown serial', () => client.getStatusData('spa', devices.spa[0], 'NOT-THERE'));
  const period = { historyLastStartDate: new Date(firstDay), historyLastEndDate: new Date(lastDay) };
  await run('everything', () => client.getAllPlantData({ faultlog: true, ...period }));
  await run('logout', () => client.logout());
  await run('after logout', () => client.getPlatList());
  process.stdout.write(JSON.stringify(outcomes));
}

main();

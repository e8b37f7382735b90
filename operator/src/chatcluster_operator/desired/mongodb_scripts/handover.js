// Before this member ends: if it is the primary, another takes over. Needs no operator. Whatever goes wrong here, mongod
// tries the same once more when it is told to end.
const key = require('fs').readFileSync('/run/secrets/chatcluster/keyfile', 'utf8').trim();
const address = 'mongodb://127.0.0.1:27017/?directConnection=true&serverSelectionTimeoutMS=3000';
try {
    const local = new Mongo(address).getDB('local');
    local.auth({user: '__system', pwd: key, mechanism: 'SCRAM-SHA-256'});
    const admin = local.getSiblingDB('admin');
    if (admin.runCommand({hello: 1}).isWritablePrimary) {
        admin.runCommand({replSetStepDown: 60, secondaryCatchUpPeriodSecs: 10});
        print('stepped down');
    }
} catch (error) {
    print(`not stepped down: ${error.codeName || error.name}`);
}

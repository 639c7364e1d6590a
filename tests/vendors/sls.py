"""A Logstore `web` of the project `shop` whose requests the vendor's own SDK checks and decodes:
the signature is made again by its signers, the body is unpacked and parsed by its classes."""

import hashlib
from urllib.parse import parse_qsl, urlsplit

import lz4.block
from aliyun.log.auth import AuthV1, AuthV4
from aliyun.log.credentials import StaticCredentialsProvider
from aliyun.log.log_logs_pb2 import LogGroup
from serve import serve

KEY, SECRET = "AKID", "secret"


def signed(method, target, headers, body):
    """The Authorization that the SDK makes of the same request, at the same moment."""
    parts = urlsplit(target)
    given = headers["authorization"]
    parameters = dict(parse_qsl(parts.query))
    again = {name: value for name, value in headers.items() if name != "authorization"}
    credentials = StaticCredentialsProvider(KEY, SECRET)
    if given.startswith("LOG "):
        signer = AuthV1(credentials)
        signer._getGMT = lambda: headers["date"]
        # Set after signing, for proxies that drop Date.
        again.pop("x-log-date", None)
        again["Content-Type"] = headers["content-type"]
        signer.sign_request(method, parts.path, parameters, again, body)
        return again["Authorization"]
    region = given.split("Credential=")[1].split("/")[2]
    moment = headers["x-log-date"]
    signer = AuthV4(credentials, region)
    return signer._do_sign_request(method, parts.path, parameters, again, body, moment)


def answer(method, target, headers, body):
    genuine = {"x-log-requestid": "5B0A6B60BB6EE39764D458B5"}
    path = urlsplit(target).path
    if path not in ("/logstores/web", "/logstores/web/shards/lb"):
        return 404, genuine, '{"errorCode": "LogStoreNotExist", "errorMessage": "no such"}'
    expected = signed(method, target, headers, body)
    if headers["authorization"] != expected:
        return 401, genuine, f"{headers['authorization']} is not {expected}"
    if method == "GET":
        return 200, genuine, {"logstoreName": "web"}
    if "content-md5" in headers and headers["content-md5"] != hashlib.md5(body).hexdigest().upper():
        return 400, {}, "another MD5"
    size = int(headers["x-log-bodyrawsize"])
    if headers.get("x-log-compresstype") == "lz4":
        body = lz4.block.decompress(body, uncompressed_size=size)
    if len(body) != size:
        return 400, {}, f"{len(body)} bytes and not {size}"
    group = LogGroup()
    group.ParseFromString(body)
    if not group.IsInitialized():
        return 400, {}, "fields are missing"
    logs = [
        {"__time__": log.Time, **{one.Key: one.Value for one in log.Contents}} for log in group.Logs
    ]
    tags = {tag.Key: tag.Value for tag in group.LogTags}
    return 200, {}, {"logs": logs, "tags": tags, "topic": group.Topic, "source": group.Source}


serve(answer)

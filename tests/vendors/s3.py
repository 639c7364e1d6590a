"""A bucket `logs` as PyPI's moto keeps it."""

import boto3
from moto.server import ThreadedMotoServer
from serve import tell

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
boto3.client(
    "s3",
    endpoint_url=f"http://{host}:{port}",
    aws_access_key_id="AKIATEST",
    aws_secret_access_key="any",
    region_name="us-east-1",
).create_bucket(Bucket="logs")
tell(port)

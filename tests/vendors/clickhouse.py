"""Today's ClickHouse, PyPI's chdb, behind as much of its HTTP interface as an insert needs."""

import gzip
import re
from urllib.parse import parse_qs, urlsplit

from chdb.session import Session
from serve import serve

session = Session()


def answer(_method, target, headers, body):
    parameters = {name: values[-1] for name, values in parse_qs(urlsplit(target).query).items()}
    if headers.get("content-encoding") == "gzip":
        body = gzip.decompress(body)
    query = parameters.pop("query", "")
    database = parameters.pop("database", "default")
    # As the server does: what is no parameter of the interface is a setting of the query.
    parameters.pop("wait_end_of_query", None)
    try:
        session.query(f"USE {database}")
        if query:
            settings = ", ".join(f"{name} = '{value}'" for name, value in parameters.items())
            head, form = re.fullmatch(r"(.*?) (FORMAT \w+)", query, re.DOTALL).groups()
            text = f"{head} SETTINGS {settings} {form}\n{body.decode()}"
        else:
            text = body.decode()
        found = session.query(text, "TabSeparated")
        return 200, {}, str(found)
    except Exception as error:  # chdb raises RuntimeError with the server's own text
        code = re.search(r"Code: (\d+)", str(error))
        more = {"X-ClickHouse-Exception-Code": code.group(1)} if code else {}
        return 500, more, str(error)


serve(answer)

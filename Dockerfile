# Three environments, an image each (--target task | spark | airflow); every package is checked against a locked hash.
ARG BASE=python:3.12.11-slim-bookworm

FROM ${BASE} AS tools
WORKDIR /opt/mend
ENV UV_NO_CACHE=1 UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy
COPY requirements/uv.txt requirements/
RUN python3 -m venv /uv && /uv/bin/pip install --no-cache-dir --require-hashes -r requirements/uv.txt

FROM tools AS task-build
RUN python3 -m venv --without-pip .venv
COPY requirements/task.txt requirements/
RUN /uv/bin/uv pip install --python .venv/bin/python --require-hashes -r requirements/task.txt
COPY mend/ mend/
COPY embedded/ embedded/
RUN XDG_CACHE_HOME=/opt/mend/.cache .venv/bin/python -m embedded.jars
COPY pyproject.toml README.md LICENSE ./
COPY agent/ agent/
COPY cli/ cli/
COPY orchestration/ orchestration/
COPY producer/ producer/
COPY spark/ spark/
RUN /uv/bin/uv pip install --python .venv/bin/python --no-build-isolation --no-deps --editable . \
 && .venv/bin/python -m compileall -q agent cli embedded mend orchestration producer spark
COPY kafka/ kafka/
COPY pipelines/ pipelines/
COPY airflow/ airflow/

FROM tools AS airflow-build
RUN python3 -m venv --without-pip .venv-airflow
COPY requirements/airflow.txt requirements/
RUN /uv/bin/uv pip install --python .venv-airflow/bin/python --require-hashes -r requirements/airflow.txt

FROM ${BASE} AS task
RUN useradd --uid 50000 --gid 0 --home-dir /tmp --no-create-home mend && install -d -o 50000 -g 0 -m 2775 /data
COPY --from=task-build /opt/mend /opt/mend
WORKDIR /opt/mend
ENV PATH=/opt/mend/.venv/bin:$PATH HOME=/tmp XDG_CACHE_HOME=/opt/mend/.cache MEND_HOME=/data \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 50000:0
CMD ["mend", "doctor"]

# Executors run the pipeline's tasks: a node of the cluster has the task environment as it is.
FROM task AS spark
ENTRYPOINT ["python", "-m", "embedded.spark_node"]

# Airflow's tasks are commands of the task environment: both stand beside each other, as on a machine without Docker.
FROM task AS airflow
USER root
RUN install -d -o 50000 -g 0 -m 2775 /opt/airflow /opt/airflow/logs
COPY --from=airflow-build /opt/mend/.venv-airflow /opt/mend/.venv-airflow
ENV AIRFLOW_HOME=/opt/airflow
USER 50000:0
ENTRYPOINT ["python", "airflow/start.py"]

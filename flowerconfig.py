"""Settings of `celery -A pollers flower`: the columns that show polls best."""

# A poll's url is its argument, its parameters are keyword arguments, its attempts are retries.
tasks_columns = "name,state,args,kwargs,retries,exception,result,received,runtime,uuid"

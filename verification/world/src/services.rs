//! The services of an account: they answer calls, and change things by themselves.

use jiff::{SignedDuration, Timestamp};

use super::account::Account;
use super::timeline::Event;
use super::wire::{self, Call, Refusal, Reply, Service};
use super::{auto_scaling, costs, ec2, ecs, granted, iam, lambda, load_balancers, programs, rds, redshift, switchable, trail};

impl Account {
    /// Everything that happens by itself until `now`, in its order.
    pub fn settle(&mut self, now: Timestamp) {
        while let Some((at, event)) = self.timeline.pop(now) {
            self.now = self.now.max(at);
            match event {
                Event::Power(id) => self.settle_instance(&id, at),
                Event::ActivityEnds(group, number) => self.end_activity(&group, number, at),
                Event::Reconcile(group) => self.reconcile(&group, at),
                Event::Check(group) => self.check(&group, at),
                Event::Database(arn) => self.settle_database(&arn, at),
                Event::Warehouse(key) => self.settle_warehouse(&key, at),
                Event::Schedule(key) => self.run_schedule(&key, at),
                Event::Late(call) => {
                    self.answer(&call, at);
                }
            }
        }
        self.now = self.now.max(now);
        self.settle_alarms(self.now);
        self.settle_function_alarms(self.now);
    }

    fn settle_instance(&mut self, id: &str, at: Timestamp) {
        if let Some(instance) = self.instances.get_mut(id) {
            instance.settle(at);
            if let Some(group) = instance.group_key() {
                self.wake(&group, at);
            }
        }
    }

    /// The answer to a call of a function at `now`: as far as its role's policy goes.
    pub fn answer_function(&mut self, call: &Call, now: Timestamp) -> Reply {
        match granted::refusal(self, call) {
            Some(refusal) => wire::answer(call, Err(refusal)),
            None => self.answer(call, now),
        }
    }

    /// The answer to a call at `now`.
    pub fn answer(&mut self, call: &Call, now: Timestamp) -> Reply {
        let result = match self.refusal(call, now) {
            Some(refusal) => Err(refusal),
            None => self.carry_out(call, now),
        };
        wire::answer(call, result)
    }

    /// The refusal that meets a call before its service reads it.
    fn refusal(&mut self, call: &Call, now: Timestamp) -> Option<Refusal> {
        match call.service {
            Service::Told(table) => self.told.push(switchable::told(self, table, call)),
            Service::Ecs => self.told.push(ecs::told(self, call)),
            Service::Lambda => self.told.push(lambda::told(self, call)),
            Service::Rds => self.told.push(rds::told(self, call)),
            Service::Programs => self.told.push(programs::told(call)),
            Service::Redshift => self.told.push(redshift::told(self, call)),
            _ => {}
        }
        let action = self.action(call);
        self.asked.insert(action.clone());
        let is_regional = !matches!(call.service, Service::Iam);
        if is_regional && !self.regions.contains(&call.region) {
            return Some(wire::not_enabled(call.service));
        }
        if is_regional && self.closed.contains(&call.region) {
            return Some(wire::closed(call));
        }
        if self.refused.contains(&call.operation) {
            let what = format!("User: ann is not authorized to perform: {action} on resource: *");
            return Some(Refusal(403, "AccessDenied", what));
        }
        let on_demand = self.throttled.get_mut(&call.operation).filter(|times| **times > 0);
        let is_throttled = match (on_demand, &mut self.buckets) {
            (Some(times), _) => {
                *times -= 1;
                true
            }
            (None, Some(buckets)) => matches!(call.service, Service::Ec2) && !buckets.take(call, now),
            (None, None) => false,
        };
        let (calls, throttled) = self.calls.entry(call.operation.clone()).or_default();
        *calls += 1;
        *throttled += usize::from(is_throttled);
        is_throttled.then(|| wire::held_up(call))
    }

    /// IAM's action of a call.
    fn action(&self, call: &Call) -> String {
        let service = match call.service {
            Service::Iam => "iam",
            Service::Ec2 => "ec2",
            Service::AutoScaling => "autoscaling",
            Service::TargetGroups | Service::ClassicLoadBalancers => "elasticloadbalancing",
            Service::CloudTrail => "cloudtrail",
            Service::Costs => "ce",
            _ => return self.told.last().map(|(action, ..)| action.clone()).unwrap_or_default(),
        };
        format!("{service}:{}", call.operation)
    }

    fn carry_out(&mut self, call: &Call, now: Timestamp) -> Result<String, Refusal> {
        let then = now - SignedDuration::from_secs(self.lag);
        match (call.service, call.only_reads()) {
            (Service::Iam, true) => match self.past_iam.at(then).cloned() {
                Some((groups, users, roles, policies)) => {
                    let (profiles, trust, rights) = (self.profiles.clone(), self.trust.clone(), self.rights.clone());
                    let mut past = Self { groups, users, roles, policies, profiles, trust, rights, ..Self::default() };
                    (past.gone, past.page, past.limits) = (self.gone.clone(), self.page, self.limits.clone());
                    past.identities.clone_from(&self.identities);
                    (past.per_user, past.per_role) = (self.per_user, self.per_role);
                    iam::answer(&mut past, call)
                }
                None => iam::answer(self, call),
            },
            (Service::Iam, false) => {
                if self.lag > 0 {
                    let present = (self.groups.clone(), self.users.clone(), self.roles.clone(), self.policies.clone());
                    self.past_iam.remember(now, self.lag, present);
                }
                iam::answer(self, call)
            }
            (Service::Ec2, true) => ec2::describe(self, call, then, now),
            (Service::Ec2, false) => ec2::change(self, call, now),
            (Service::AutoScaling, true) => {
                auto_scaling::describe(self.past_fleets.at(then).unwrap_or(&self.fleets), self.page, call)
            }
            (Service::AutoScaling, false) => auto_scaling::change(self, call, now),
            (Service::TargetGroups | Service::ClassicLoadBalancers, _) => load_balancers::answer(self, call, now),
            // Application Auto Scaling's calls say whose targets they are about.
            (Service::Ecs, true) if call.json["ServiceNamespace"] == "lambda" => {
                lambda::describe(self, self.past_lambda.at(then).unwrap_or(&self.lambda), call, then)
            }
            (Service::Ecs, false) if call.json["ServiceNamespace"] == "lambda" => lambda::change(self, call, now),
            (Service::Lambda, true) => lambda::describe(self, self.past_lambda.at(then).unwrap_or(&self.lambda), call, then),
            (Service::Lambda, false) => lambda::change(self, call, now),
            (Service::Ecs, true) => ecs::describe(self, self.past_ecs.at(then).unwrap_or(&self.ecs), call, then),
            (Service::Ecs, false) => ecs::change(self, call, now),
            (Service::Rds, true) => rds::describe(self, self.past_databases.at(then).unwrap_or(&self.databases), call),
            (Service::Rds, false) => rds::change(self, call, now),
            (Service::Programs, _) => programs::answer(self, call, now),
            (Service::Redshift, true) => redshift::describe(self, self.past_redshift.at(then).unwrap_or(&self.redshift), call),
            (Service::Redshift, false) => redshift::change(self, call, now),
            (Service::Costs, _) => costs::answer(self, call),
            (Service::CloudTrail, _) => trail::lookup(self, call, now),
            (Service::Told(table), true) => {
                switchable::read(self, table, self.past_things.at(then).unwrap_or(&self.things), call, then)
            }
            (Service::Told(table), false) => switchable::turn(self, table, call, now),
        }
    }
}
